"""A recording server."""

from collections.abc import Iterator

import pytest

from tests.support.wire import Wire, answering
from tests.vs_authlib.rivals import TOKEN


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A server that records requests and answers with a token."""
    with Wire() as wire:
        wire.answer = answering(TOKEN)
        yield wire
