"""``python -m flask_demo``: runs the demo, with a sandbox beside it if there is no client id."""

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


class _CannotStart(Exception):
    """The text says why the demo cannot start."""


class RequestHandler(WSGIRequestHandler):
    """Logs requests without the query, because the callback's holds the authorization code."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - inherited name
        """Log a request, or an error in one."""
        super().log(type, "%s", re.sub(r"\?\S*", "", message % args))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C or SIGTERM; return 0 then, and 2 if it could not start.

    Args:
        arguments: The command line. Its only option is ``--help``.
    """
    argparse.ArgumentParser(
        prog="python -m flask_demo",
        description=f"Run the demo until Ctrl-C.\n\n{config.__doc__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    try:
        with ExitStack() as stack:
            server, greeting = _start(stack)
            print(greeting, flush=True)
            server.serve_forever()
    except _CannotStart as error:
        print(f"The demo cannot start. {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # from the signal handlers set above
        pass
    print("The demo has stopped.", flush=True)
    return 0


def _start(stack: ExitStack) -> tuple[BaseWSGIServer, str]:
    try:
        app = create_app()
    except SettingsError as error:
        raise _CannotStart(error) from None
    except SQLAlchemyError as error:
        raise _CannotStart(f"The database does not answer ({type(error).__name__}).") from None
    port, sandbox_port = app.config["DEMO_PORT"], app.config["SANDBOX_PORT"]
    beside = ""
    try:
        name = "DEMO_PORT"
        listener = stack.enter_context(socket.create_server(("127.0.0.1", port)))
        if app.config["SANDBOX"]:
            name = "SANDBOX_PORT"
            # A key that has what the demo asks for, and is bound to an address.
            sandbox = stack.enter_context(
                run_sandbox(
                    sandbox_port,
                    permissions=app.config["KUCOIN_PERMISSIONS"],
                    ip_whitelist=["127.0.0.1"],
                )
            )
            beside = f" (a sandbox of KuCoin runs beside it: {sandbox.url})"
    except (OSError, OverflowError) as error:
        raise _CannotStart(f"Port {app.config[name]} ({name}) cannot be used: {error}.") from None
    server = make_server(
        "127.0.0.1",
        port,
        app,
        threaded=True,
        request_handler=RequestHandler,
        fd=listener.fileno(),
    )
    return server, f"The demo is running. Open http://127.0.0.1:{server.port}{beside}"


if __name__ == "__main__":
    sys.exit(main())
