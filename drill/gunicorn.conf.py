"""The demo's gunicorn.conf.py, with the application preloaded, so that new workers start fast."""

from __future__ import annotations

import runpy

from gevent import monkey

monkey.patch_all()  # gevent has to patch before the application is loaded

globals().update(runpy.run_path("flask_demo/gunicorn.conf.py"))
preload_app = True
graceful_timeout = 1
