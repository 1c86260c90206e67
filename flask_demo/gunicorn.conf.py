"""How gunicorn serves the demo.

``gunicorn -c flask_demo/gunicorn.conf.py 'flask_demo:create_app()'``

A request that waits for KuCoin must not delay other requests. So each worker serves many requests
at once, with gevent. Use PostgreSQL: a wait for SQLite would stop all requests of a worker.
Do not use ``--preload``: gevent has to patch ``ssl`` before the application is imported.
"""

from __future__ import annotations

import logging
import re
import runpy
from pathlib import Path
from typing import Any

# Run, not imported: importing flask_demo.limits would import the app in the master process.
_REQUEST_SECONDS = runpy.run_path(str(Path(__file__).with_name("limits.py")))["REQUEST_SECONDS"]

worker_class = "gevent"
workers = 2
worker_connections = 500  # the most requests that one worker serves at once
backlog = 1024
graceful_timeout = _REQUEST_SECONDS  # for a stopping worker to finish its requests
timeout = _REQUEST_SECONDS  # a worker that gives no sign of life for this long is killed

accesslog = "-"
# Log %(U)s, the path without the query: the callback's query can hold the authorization code.
access_log_format = '%(h)s %(t)s "%(m)s %(U)s %(H)s" %(s)s %(B)s bytes %(M)s ms'


def _without_query(record: logging.LogRecord) -> bool:
    record.msg, record.args = re.sub(r"\?\S*", "", record.getMessage()), None
    return True


def on_starting(server: Any) -> None:
    """Let gunicorn remove queries from its error log, which names the URL of a failed request."""
    server.log.error_log.addFilter(_without_query)
