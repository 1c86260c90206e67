"""Each test has a host of its own, and leaves social-core as it was."""

from collections.abc import Iterator

import pytest
import social_memory
from social_core.backends.utils import load_backends
from social_host import Host

from authlib_kucoin.sandbox import Sandbox


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    social_memory.forget()
    yield
    load_backends([], force_load=True)


@pytest.fixture
def host(kucoin_sandbox: Sandbox) -> Host:
    """A host with the defaults."""
    return Host(kucoin_sandbox)
