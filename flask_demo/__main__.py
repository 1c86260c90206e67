"""``python -m flask_demo``: runs the demo; without a client id, with a sandbox beside it."""

from __future__ import annotations

import argparse
import logging
import re
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from authlib_kucoin.sandbox import run_sandbox

from . import config, create_app
from .errors import SettingsError


class RequestHandler(WSGIRequestHandler):
    """Logs requests without queries: the callback's query can hold the authorization code."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - inherited name
        """Log a message of Werkzeug's server, such as the line for a request."""
        super().log(type, "%s", re.sub(r"\?\S*", "", message % args))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C or SIGTERM, then return 0.

    Return 2 if a setting, a file, a port or the database prevents the start.

    Args:
        arguments: The command line, whose only option is ``--help``; that of ``sys.argv`` if None.
    """
    argparse.ArgumentParser(
        prog="python -m flask_demo",
        description=f"Run the demo until Ctrl-C.\n\n{config.__doc__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    problem: object = None
    try:
        with ExitStack() as stack:
            _start(stack).serve_forever()
    except KeyboardInterrupt:  # from the signal handlers set above
        pass
    except SettingsError as error:
        problem = error
    except SQLAlchemyError as error:
        problem = f"The database cannot be used ({type(error).__name__}). Check DATABASE_URL."
    if problem:
        print(f"The demo cannot start. {problem}", file=sys.stderr)
        return 2
    print("The demo has stopped.", flush=True)
    return 0


def _start(stack: ExitStack) -> BaseWSGIServer:
    app = create_app()
    port, name, beside = app.config["DEMO_PORT"], "DEMO_PORT", ""
    try:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", port)))
        if app.config["SANDBOX"]:
            port, name = app.config["SANDBOX_PORT"], "SANDBOX_PORT"
            # The sandbox's consent page lists the permissions that the demo asks for. The
            # sandbox's keys work from 127.0.0.1 only, unless a scenario changes that.
            asked = app.config["KUCOIN_PERMISSIONS"]
            sandbox = run_sandbox(port, permissions=asked, ip_whitelist=["127.0.0.1"])
            url = stack.enter_context(sandbox).url
            beside = f" (a sandbox of KuCoin runs beside it: {url})"
    except (OSError, OverflowError) as error:
        raise SettingsError(f"Port {port} ({name}) cannot be used: {error}.") from None
    options: dict[str, Any] = {"request_handler": RequestHandler, "fd": listener.fileno()}
    server = make_server("127.0.0.1", 0, app, threaded=True, **options)
    print(f"The demo is running. Open http://127.0.0.1:{server.port}{beside}", flush=True)
    return server


if __name__ == "__main__":
    sys.exit(main())
