"""``kucoin-sandbox``, or ``python -m authlib_kucoin.sandbox``: the sandbox as a program."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator

from ._arguments import Command, parse
from ._sandbox import Sandbox
from ._version import version


def main(arguments: list[str] | None = None) -> int:
    """Run the sandbox until SIGINT or SIGTERM, then return 0.

    With ``--version``, print the version and return 0. Return 2 if an option is invalid or the port
    cannot be used.

    Raises:
        SystemExit: A flag or an environment variable is unknown or malformed (status 2), or
            ``--help`` was given (status 0).
    """
    if "--version" in (sys.argv[1:] if arguments is None else arguments):
        print(f"kucoin-sandbox {version()}")
        return 0
    try:
        command = parse(arguments, os.environ)
        sandbox = Sandbox(command.port, command.options)
    except (OSError, ValueError) as error:
        print(f"The sandbox cannot start: {error}.", file=sys.stderr)
        return 2
    _log(command)
    with _until_signalled() as wait, sandbox:
        print(_as_json(sandbox) if command.as_json else _greeting(sandbox), flush=True)
        wait()
    if not command.as_json:
        print("The sandbox has stopped.", flush=True)
    return 0


def _log(command: Command) -> None:
    if command.log == "none":
        return
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    if command.log == "json":
        from ._logs import JsonFormatter  # noqa: PLC0415 - loaded only here, to keep the usual start quick

        for handler in logging.getLogger().handlers:
            handler.setFormatter(JsonFormatter())


@contextlib.contextmanager
def _until_signalled() -> Iterator[Callable[[], object]]:
    """Yield a function that waits for SIGINT or SIGTERM.

    Python writes a byte to a socket when a signal arrives, and the function waits for that byte.
    A signal handler that set a `threading.Event` could deadlock with the wait for that event.
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


def _as_json(sandbox: Sandbox) -> str:
    content = {
        "url": sandbox.url,
        "client_id": sandbox.client_id,
        "port": sandbox.port,
        "version": version(),
    }
    if sandbox.certificate:
        content["certificate"] = sandbox.certificate
    return json.dumps(content)


def _greeting(sandbox: Sandbox) -> str:
    options = sandbox.options
    facts = {"site": sandbox.url, "client id": options.client_id}
    if options.client_secret:
        facts["client secret"] = options.client_secret
    if sandbox.certificate:
        facts["certificate"] = f"{sandbox.certificate} (clients must trust this file)"
    lines = [f"  {name:<14} {value}" for name, value in facts.items()]
    everywhere = ""
    if sandbox.is_open_to_others:
        everywhere = (
            "Other machines can reach this sandbox. List the machines that may use it with\n"
            "--allowed-ips, and the host names under which they call it with --allowed-hosts.\n"
        )
    return (
        "A sandbox of KuCoin's Broker Fast API is listening.\n\n"
        + "\n".join(lines)
        + f"\n\nPoint a client at it: register_kucoin(oauth, site={sandbox.url!r}, "
        f"client_id={options.client_id!r})\n"
        f"or by configuration:  KUCOIN_SITE={sandbox.url} KUCOIN_CLIENT_ID={options.client_id}\n"
        f"Open {sandbox.url} in a browser to see the requests, and to try the flow.\n"
        f"{everywhere}"
        f"Stop it with Ctrl-C."
    )


if __name__ == "__main__":
    sys.exit(main())
