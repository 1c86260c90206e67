# The sandbox without the demo. In the repository's root: docker build -f containers/sandbox.Dockerfile .
FROM python:3.13-slim
WORKDIR /source
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY authlib_kucoin authlib_kucoin
RUN pip install --no-cache-dir '.[sandbox]' && rm -rf /source
USER nobody
WORKDIR /
EXPOSE 9400
# Other containers call from any address of their network, so every address is allowed. Publish the
# port on 127.0.0.1 only, as compose.yaml does.
ENV KUCOIN_SANDBOX_HOST=0.0.0.0 KUCOIN_SANDBOX_ALLOWED_IPS=0.0.0.0/0
HEALTHCHECK --interval=5s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9400/sandbox/health')"]
CMD ["kucoin-sandbox"]
