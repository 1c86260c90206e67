"""The pytest fixture ``kucoin_sandbox``: a running sandbox for each test that uses it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from authlib_kucoin.sandbox import Sandbox, SandboxKeywords


@pytest.fixture
def kucoin_sandbox_options() -> SandboxKeywords:
    """The options for `kucoin_sandbox`: none, unless you override this fixture."""
    return {}


@pytest.fixture
def kucoin_sandbox(kucoin_sandbox_options: SandboxKeywords) -> Iterator[Sandbox]:
    """A running sandbox; see `authlib_kucoin.sandbox.Sandbox`.

    After the test, the fixture warns about queued faults that have not occurred as often as
    requested.
    """
    from authlib_kucoin.sandbox import run_sandbox  # noqa: PLC0415 - imported only if needed

    with run_sandbox(**kucoin_sandbox_options) as sandbox:
        yield sandbox
        unused = [f"{each.operation}: {each.fault}" for each in sandbox.waiting_faults]
    if unused:
        warnings.warn(f"queued faults that did not occur: {', '.join(unused)}", stacklevel=1)
