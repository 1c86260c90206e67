"""The demo's settings, with the application loaded once: a new worker is there at once."""

from __future__ import annotations

import runpy

from gevent import monkey

monkey.patch_all()  # before the application is loaded, which is before any worker is forked

globals().update(runpy.run_path("flask_demo/gunicorn.conf.py"))
preload_app = True
graceful_timeout = 1
