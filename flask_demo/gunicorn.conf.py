"""How gunicorn serves the demo.

``gunicorn -c flask_demo/gunicorn.conf.py 'flask_demo:create_app()'``

A user who waits for KuCoin must not keep others waiting, so each worker serves many requests at
once, by gevent. Use PostgreSQL with it: a wait for SQLite would stop the whole worker. Do not use
``--preload``: gevent has to patch ``ssl`` before the application is imported.
"""

from __future__ import annotations

import logging
import re
import runpy
from pathlib import Path

from gunicorn.config import Config
from gunicorn.glogging import Logger

# Not imported, because that would import the application in the master process.
_REQUEST_SECONDS = runpy.run_path(str(Path(__file__).with_name("limits.py")))["REQUEST_SECONDS"]

worker_class = "gevent"
workers = 2
worker_connections = 500  # requests at once, for each worker
backlog = 1024
# A worker that stops may have to finish the longest request. No worker is taken for dead before.
graceful_timeout = _REQUEST_SECONDS
timeout = _REQUEST_SECONDS

accesslog = "-"
# %(U)s is the path without the query: the callback's holds the authorization code.
access_log_format = '%(h)s %(t)s "%(m)s %(U)s %(H)s" %(s)s %(B)s bytes %(M)s ms'


class _WithoutQueries(logging.Filter):
    """Removes the queries of URLs from log records: "Error handling request" names the URL."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = re.sub(r"\?\S*", "", record.getMessage()), None
        return True


class _Logger(Logger):  # type: ignore[misc]  # gunicorn has no types
    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        self.error_log.addFilter(_WithoutQueries())


logger_class = _Logger
