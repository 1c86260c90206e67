"""Fixtures of the unit tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from authlib_kucoin._clients.refresh import Refreshes


@pytest.fixture
def refreshes() -> Iterator[Refreshes]:
    """A new, empty registry of refreshes."""
    refreshes = Refreshes()
    yield refreshes
    if refreshes._sweeper:
        refreshes._sweeper.cancel()
