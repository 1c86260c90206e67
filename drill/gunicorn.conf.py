"""The demo's gunicorn.conf.py, with the application loaded before the workers are forked.

So a new worker starts fast. Before a stop, a worker has one second to finish its requests.
"""

from __future__ import annotations

import runpy

from gevent import monkey

monkey.patch_all()  # gevent has to patch before the application is loaded

globals().update(runpy.run_path("flask_demo/gunicorn.conf.py"))
preload_app = True
graceful_timeout = 1
