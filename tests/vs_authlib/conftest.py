"""A recording server."""

from collections.abc import Iterator

import pytest

from tests.support.wire import Wire, answering, running_wire
from tests.vs_authlib.rivals import TOKEN


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A server that records requests and answers with a token."""
    with running_wire() as wire:
        wire.answer = answering(TOKEN)
        yield wire
