"""The check of all keys, with many keys and several parallel runs."""

from __future__ import annotations

import pytest

from tests.demo.apps import MakeApp
from tests.demo.conftest import compiled_templates, make_app, sandbox, settings
from tests.demo.test_operating import check_by_runners, fill

__all__ = ["compiled_templates", "make_app", "sandbox", "settings"]  # pytest finds them here


@pytest.mark.measured("SQLAlchemy at DEBUG would take longer than the checks")
def test_ten_thousand_keys(
    make_app: MakeApp, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four parallel runs of `flask kucoin check` check each of 10,000 keys exactly once."""
    app = make_app(DATABASE_URL=postgres_database)
    fill(app, 10_000)
    asked = check_by_runners(app, 4, monkeypatch)
    assert len(asked) == 10_000
    assert set(asked.values()) == {1}
