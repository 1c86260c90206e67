"""Fixtures that start sandboxes, each with a broker that is connected to it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from authlib_kucoin.sandbox import run_sandbox
from tests.sandbox.broker import Broker, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


@pytest.fixture
def new_broker() -> Iterator[Callable[..., Broker]]:
    """A function that starts a sandbox with given options, and returns a broker connected to it.

    The sandboxes and connections end with the test.
    """
    with ExitStack() as stack:

        def start(**options: Any) -> Broker:
            sandbox = stack.enter_context(run_sandbox(**options))
            return Broker(sandbox, stack.enter_context(Wire(sandbox)))

        yield start


@pytest.fixture
def broker(new_broker: Callable[..., Broker]) -> Broker:
    """A broker connected to a sandbox that has the default options."""
    return new_broker()
