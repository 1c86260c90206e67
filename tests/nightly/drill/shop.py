"""Shared by the drill's tests: a site with one worker, and its users."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.engine import Connection
from sqlalchemy.pool import NullPool

from authlib_kucoin.sandbox._http import Request, Response
from authlib_kucoin.sandbox._router import ROUTES
from authlib_kucoin.sandbox._state import State
from drill import balance, postgres
from drill.person import Person
from drill.site import Site, running, wait_until
from flask_demo.models import Status

if sys.platform != "linux":
    pytest.skip("workers can be found and killed on Linux only", allow_module_level=True)

ROOT = Path(__file__).parents[3]

__all__ = ["ROOT", "Person", "Stage", "Status", "connected", "held", "stage", "wait_until"]

_BADGES = {
    Status.STORED: "Connected|Not checked",
    Status.FAILED: "Failed",
    Status.UNKNOWN: "Needs a look",
    Status.EXPIRED: "Expired",
}


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """Yield a connection to a database, with autocommit."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection


@dataclass
class Hold:
    """A call that waits in the sandbox: `arrived` is set when it waits, `let_go` ends the wait."""

    arrived: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)


class Stage:
    """A site with one worker.

    Args:
        site: The running site.
        server: The URL of the database server, with an administrator's rights.
    """

    def __init__(self, site: Site, server: str) -> None:
        self.site = site
        self.database = site.settings["DATABASE_URL"]
        self._server = server
        self.sandbox = site.sandbox
        self._number = 0

    @contextmanager
    def person(self) -> Iterator[Person]:
        """Yield a new user who has signed in."""
        self._number += 1
        person = Person(self.site.gunicorn.url, self.sandbox, f"person {self._number}")
        try:
            person.sign_in()
            yield person
        finally:
            person.close()

    @contextmanager
    def coming_back(self, person: Person, callback: str) -> Iterator[Future[int | None]]:
        """Open the callback in a thread. The result is the status; None if the connection broke."""
        with ThreadPoolExecutor(1) as pool:
            yield pool.submit(person.open_callback_once, callback)

    def kill_worker(self) -> None:
        """Kill the worker, and wait until gunicorn has started another one."""
        (victim,) = self.site.gunicorn.workers()
        assert self.site.gunicorn.kill(victim)
        wait_until(
            lambda: victim not in (now := self.site.gunicorn.workers()) and now, "a new worker"
        )

    @contextmanager
    def database_down(self) -> Iterator[None]:
        """End all connections to the database, and refuse new ones until the block ends."""
        name = make_url(self.database).database
        with connected(self._server) as administrator:
            administrator.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
            try:
                administrator.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :n"
                    ),
                    {"n": name},
                )
                yield
            finally:
                administrator.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))

    def reads_as(self, attempt: int, person: Person) -> Status:
        """End all unfinished attempts; return the status of `attempt`, which its page must show.

        Also assert that each key issued so far is stored or flagged as unknown.
        """
        drawn = balance.draw(self.site.settings, self.sandbox.issued_keys)
        assert not drawn.problems
        status = drawn.statuses[attempt]
        page = person.page(f"/kucoin/attempts/{attempt}")
        assert re.search(f">({_BADGES[status]})</span>", page)
        return status


@contextmanager
def held(operation: str, acts: Literal["before", "after", "never"] = "before") -> Iterator[Hold]:
    """Hold back the next call of an operation, at most until the block ends.

    Args:
        operation: One of the sandbox's operations. Only its first path in `ROUTES` is held back.
        acts: When the sandbox does what the call asks for: before it holds the call back, after
            `let_go` is set, or never. If never, the sandbox resets the connection after `let_go`.
    """
    path, route = next(item for item in ROUTES.items() if item[1].operation == operation)
    hold = Hold()

    def handle(request: Request, state: State) -> Response:
        ROUTES[path] = route
        response = route.handle(request, state) if acts == "before" else None
        hold.arrived.set()
        assert hold.let_go.wait(60)
        if acts == "after":
            response = route.handle(request, state)
        return response or Response(0, sent_part=0, ending="reset")

    ROUTES[path] = replace(route, handle=handle)
    try:
        yield hold
    finally:
        ROUTES[path] = route
        hold.let_go.set()


@pytest.fixture(scope="module")
def stage(postgres_url: str) -> Iterator[Stage]:
    """The demo with one worker and its own database."""
    with (
        postgres.fresh_database(postgres_url) as database,
        running(database, workers=1) as site,
    ):
        yield Stage(site, postgres_url)
