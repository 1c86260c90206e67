"""A fixture for a host application, and a clean start for each test.

What `memory.py` stores is deleted before each test. social-core's cache of backends is emptied
after it.
"""

from collections.abc import Iterator

import pytest
from social_core.backends.utils import load_backends

from authlib_kucoin.sandbox import Sandbox
from tests.social import memory as social_memory
from tests.social.host import Host


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    social_memory.forget()
    yield
    load_backends([], force_load=True)


@pytest.fixture
def host(kucoin_sandbox: Sandbox) -> Host:
    """A host with default settings."""
    return Host(kucoin_sandbox)
