"""The words that a page may set as code: from our code, programs' options, libraries, and lists."""

from __future__ import annotations

import ast
import builtins
import functools
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from authlib.integrations.base_client.registry import OAUTH_CLIENT_PARAMS

from tests.project.snippets import ROOT

#: Folders. Their file names, and the names and strings of their programs, are known words.
_OURS: Final = (
    "authlib_kucoin",
    "flask_demo",
    "drill",
    "benchmarks",
    "docs",
    "tests",
    "containers",
)
#: Modules of other packages that contain words which the pages use.
_THEIRS: Final = (
    "authlib.integrations.base_client.sync_app",
    "authlib.oauth2.rfc6749.wrappers",
    "celery.exceptions",
    "ccxt.kucoin",
    "django.conf.global_settings",
    "django.contrib.auth.decorators",
    "django.contrib.sessions.middleware",
    "django.core.wsgi",
    "django.db.backends.base.base",
    "django.db.models.query",
    "django.db.transaction",
    "django.views.decorators.csrf",
    "django.views.decorators.http",
    "flask.app",
    "gunicorn.config",
    "gunicorn.glogging",
    "http.client",
    "httpx2._config",
    "logging.config",
    "opentelemetry.instrumentation.urllib3",
    "opentelemetry.sdk.trace.export",
    "psycopg.connection",
    "requests.sessions",
    "rq.timeouts",
    "sentry_sdk.consts",
    "social_core.pipeline",
    "social_django.middleware",
    "sqlalchemy.orm.session",
    "starlette.applications",
    "starlette.middleware.sessions",
    "typing",
    "uvicorn.config",
    "werkzeug.middleware.proxy_fix",
)
#: Other words, of HTTP, JSON, system tools and KuCoin, which the other sources may lack.
_OTHERS: Final = frozenset(
    re.findall(
        r"\S+",
        """
        GET POST HEAD http https Referer bearer Bearer Lax SameSite Secure None true false null
        SSL_CERT_FILE NO_PROXY HTTPS_PROXY curl chrony systemd-timesyncd git kill BEGIN
        IMMEDIATE SET error.log access_log error_log combined $uri $request $request_uri log_format
        localhost testserver app.py test_app.py tests iss CERT KEY DATE
        ATOMIC_REQUESTS FLASK_SECRET_KEY RecursionError
        expiredAt siteType kycStatus parentUid thirdPartyApp RAW web rest xxx en-eu
        www.kucoin.com www.kucoin.eu api.kucoin.com api.kucoin.eu www.kucoin.xxx
        """,
    )
)
_PROGRAMS: Final = {
    "authlib_kucoin": (
        f"{sys.executable} -m authlib_kucoin doctor",
        f"{sys.executable} -m authlib_kucoin rehearse",
    ),
    "django-admin": ("django-admin",),
    "flask": ("flask", "flask run", "flask --app flask_demo kucoin check"),
    "gunicorn": ("gunicorn",),
    "hypercorn": ("hypercorn",),
    "kucoin-sandbox": (f"{sys.executable} -m authlib_kucoin.sandbox",),
    "make bench": (f"{sys.executable} -m benchmarks",),
    "make drill": (f"{sys.executable} -m drill",),
    "uvicorn": ("uvicorn",),
}
#: Options of uWSGI, which is not installed with the tests.
_UWSGI: Final = frozenset(
    {"--master", "--enable-threads", "--harakiri", "--disable-logging", "--log-format"}
)
WORD: Final = re.compile(r"--[a-z][a-z-]+|[$]?[A-Za-z_][\w.-]*[\w]|[A-Za-z]")


#: The fields of syntax nodes that hold a name.
_NAMES: Final = frozenset({"id", "attr", "arg", "name", "asname", "module"})


def _words(text: str) -> set[str]:
    found = set(WORD.findall(text))
    return found | {part for word in found for part in re.split(r"[.-]", word)}


def _python_words(path: Path) -> Iterator[str]:
    """Yield the names in a program, and the words of its strings, except in docstrings."""
    tree = ast.parse(path.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    prose: set[ast.expr] = set()
    for node in ast.walk(tree):  # reaches a function before its docstring
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr):
            prose.add(node.body[0].value)
        for field in _NAMES.intersection(node._fields):
            if isinstance(word := getattr(node, field), str):
                yield from word.split(".")
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in prose:
            yield from _words(node.value)


@functools.cache
def known_words() -> frozenset[str]:
    """Return the known words, except those that `options_of` or `_exists` knows by other rules."""
    words = set(_OTHERS) | set(_UWSGI) | set(dir(builtins))
    for folder in _OURS:
        for path in (ROOT / folder).rglob("*"):
            if "_build" in path.parts or path.suffix == ".md" or not path.is_file():
                continue
            # Not the tests of the docs: they name the words that they look for.
            if path.suffix == ".py" and not path.name.startswith(("test_docs", "vocabulary")):
                words.update(_python_words(path))
            words.add(path.name)
            words.update(path.relative_to(ROOT).parts)
    for module in _THEIRS:
        spec = importlib.util.find_spec(module)
        assert spec is not None, module
        assert spec.origin is not None, module
        words.update(_words(Path(spec.origin).read_text()), module.split("."))
    pyproject = (ROOT / "pyproject.toml").read_text()
    words.update(_words(pyproject), re.findall(r"^(\w[\w-]*):", makefile(), re.MULTILINE))
    words.update(re.findall(r"\b[A-Z_]{4,}\b", makefile()))
    return frozenset(words)


def makefile() -> str:
    """Return the text of the Makefile."""
    return (ROOT / "Makefile").read_text()


@functools.cache
def options_of(program: str) -> frozenset[str]:
    """Return the options that the help text of a program lists."""
    options: set[str] = set()
    for line in _PROGRAMS[program]:
        command = line.split()
        command[0] = shutil.which(command[0], path=f"{Path(sys.executable).parent}") or command[0]
        command.append("--help")
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        options.update(re.findall(r"--[a-z][a-z-]+", done.stdout))
    return frozenset(options)


def unknown_words(code: str) -> Iterable[str]:
    """Yield the words of a code span that are not known."""
    program = next((name for name in _PROGRAMS if re.match(rf"{name}\b", code)), None)
    if module := re.match(r"python -m (authlib_kucoin(?:\.sandbox)?)\b", code):
        program = "kucoin-sandbox" if module[1].endswith("sandbox") else "authlib_kucoin"
    for word in WORD.findall(re.sub(r"https?://\S+\.example\.com\S*|/etc/[\w/.]+", "", code)):
        if word.startswith("--"):
            programs = [program] if program else _PROGRAMS
            in_uwsgi = not program and word in _UWSGI
            # any() stops at the first program that has the option: each takes a moment to start.
            if not (in_uwsgi or any(word in options_of(name) for name in programs)):
                yield word
        elif not _exists(word):
            yield word


def _exists(word: str) -> bool:
    if word in known_words() or re.search(r"example\.com$|^test_\w+\.py$", word):
        return True
    if setting := re.fullmatch(r"(?:FLASK_)?KUCOIN_(\w+)|SOCIAL_AUTH_KUCOIN_(\w+)", word):
        if setting[1]:  # read from the app's config, with the registered name as prefix
            return setting[1].lower() in {*OAUTH_CLIENT_PARAMS, "site", "fast_api"}
        return setting[2] in _words((ROOT / "authlib_kucoin" / "social.py").read_text())
    parts = re.split(r"[.-]", word)
    return len(parts) > 1 and all(part in known_words() for part in parts if part)
