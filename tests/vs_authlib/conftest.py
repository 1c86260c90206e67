"""A server that records what comes."""

from collections.abc import Iterator

import pytest

from tests.support.wire import Wire, answering, running_wire
from tests.vs_authlib.rivals import TOKEN


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Return a server that records what comes and answers with a token."""
    with running_wire() as wire:
        wire.answer = answering(TOKEN)
        yield wire
