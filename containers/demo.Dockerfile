# The demo. In the repository's root: docker build -f containers/demo.Dockerfile .
FROM python:3.13-slim
WORKDIR /app
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY authlib_kucoin authlib_kucoin
RUN pip install --no-cache-dir 'pip>=25.1' && pip install --no-cache-dir '.[flask]' --group demo gunicorn
COPY flask_demo flask_demo
RUN mkdir instance && chown nobody instance
USER nobody
EXPOSE 5000
ENV DEMO_INSTANCE=/app/instance
# With SQLite, threads instead of the file's gevent. The file also keeps codes out of the logs.
CMD ["gunicorn", "-c", "flask_demo/gunicorn.conf.py", "--worker-class", "gthread", "--workers", "1", "--threads", "64", "--bind", "0.0.0.0:5000", "flask_demo:create_app()"]
