"""``python -m authlib_kucoin.sandbox``: the sandbox as a program."""

from __future__ import annotations

import argparse
import contextlib
import errno
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any, Final

from ._options import CHOICES, LIST_OPTIONS, SandboxOptions, option_help
from ._sandbox import Sandbox

_PORT: Final = 9400
_EPILOG: Final = """\
While it runs, over HTTP:
  POST /sandbox/faults    {"operation": "token", "fault": "429"}  the next call fails, once
  POST /sandbox/advance   {"seconds": 3600}                       wind its clock forward
  POST /sandbox/reset     {}                                      forget everything
  GET  /sandbox/requests                                          the requests, masked
Send these POSTs with Content-Type: application/json.
"""


def parser() -> argparse.ArgumentParser:
    """Return the command line: the port, `--quiet`, and a flag for each option."""
    result = argparse.ArgumentParser(
        prog="python -m authlib_kucoin.sandbox",
        description="A strict stand-in for KuCoin's Broker Fast API, for development and tests.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument(
        "--port", type=int, default=_PORT, help="port; 0: any (default: %(default)s)"
    )
    result.add_argument("--quiet", action="store_true", help="do not list the requests")
    texts = option_help()
    for option in fields(SandboxOptions):
        flag = f"--{option.name.replace('_', '-')}"
        result.add_argument(
            flag, default=option.default, **_kind(option.name, option.default, texts[option.name])
        )
    return result


def _kind(name: str, default: object, text: str) -> dict[str, Any]:
    if isinstance(default, bool):
        return {"action": "store_true", "help": text}
    shown = text if default is None or default == () else f"{text} (default: {_words(default)})"
    if name == "tls":
        return {"nargs": 2, "metavar": ("CERT", "KEY"), "help": shown}
    if name in LIST_OPTIONS:
        return {"nargs": "+", "metavar": "VALUE", "help": shown}
    if name in CHOICES:
        return {"choices": CHOICES[name], "help": shown}
    return {"type": int if isinstance(default, int) else str, "metavar": "VALUE", "help": shown}


def _words(default: object) -> str:
    return " ".join(default) if isinstance(default, tuple) else str(default)


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM, then return 0; return 2 if it cannot start."""
    chosen = vars(parser().parse_args(arguments))
    port, quiet = chosen.pop("port"), chosen.pop("quiet")
    if chosen["tls"] is not None:
        chosen["tls"] = tuple(chosen["tls"])
    try:
        sandbox = Sandbox(port, SandboxOptions(**chosen))
    except (OSError, ValueError) as error:
        where = f" on port {port}" if isinstance(error, OSError) else ""
        print(f"The sandbox cannot start{where}: {_reason(error)}.", file=sys.stderr)
        return 2
    if not quiet:
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    with _until_signalled() as wait, sandbox:
        print(_greeting(sandbox), flush=True)
        wait()
    print("The sandbox has stopped.", flush=True)
    return 0


@contextlib.contextmanager
def _until_signalled() -> Iterator[Callable[[], object]]:
    """Yield a function that waits for SIGINT or SIGTERM.

    The signal arrives as a byte on a socket. A handler that sets an event could deadlock with the
    wait for that event.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(0)
        signal.set_wakeup_fd(theirs.fileno())
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: None)
        try:
            yield lambda: ours.recv(1)
        finally:
            signal.set_wakeup_fd(-1)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return "it is in use"
    return str(error)


def _greeting(sandbox: Sandbox) -> str:
    options = sandbox.options
    secret = f"  client secret  {options.client_secret}\n" if options.client_secret else ""
    return (
        f"A sandbox of KuCoin's Broker Fast API is listening.\n\n"
        f"  site           {sandbox.url}\n"
        f"  client id      {options.client_id}\n{secret}\n"
        f"Point a client at it:  register_kucoin(oauth, site={sandbox.url!r}, "
        f"client_id={options.client_id!r})\n"
        f"or by configuration:   KUCOIN_SITE={sandbox.url} KUCOIN_CLIENT_ID={options.client_id}\n"
        f"Stop it with Ctrl-C."
    )


if __name__ == "__main__":
    sys.exit(main())
