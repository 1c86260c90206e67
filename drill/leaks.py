"""No secret is found in the demo's pages, in gunicorn's log, or in the database."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import MetaData, create_engine, select
from sqlalchemy.pool import NullPool

from authlib_kucoin.sandbox import IssuedKey

#: How the sandbox's codes and tokens begin; a URL spells the slash in another way.
_SHAPES: Final = re.compile(r"sandbox-(?:code|access|refresh)\b")


def find(texts: Mapping[str, Iterable[str]], keys: Sequence[IssuedKey]) -> list[str]:
    """Return where secrets are, in words; nothing if they are nowhere.

    Args:
        texts: What to search, by the name of the place.
        keys: The keys whose secrets and passphrases are searched for. Of codes and tokens it is
            known how they begin.
    """
    spelled = re.compile(
        "|".join([_SHAPES.pattern, *(secret for k in keys for secret in (k.secret, k.passphrase))])
    )
    return [
        f"a secret of KuCoin's is in {place}"
        for place, found in texts.items()
        if any(spelled.search(text) for text in found)
    ]


def rows(database: str) -> list[str]:
    """Return each row of each table as a text."""
    tables = MetaData()
    with create_engine(database, poolclass=NullPool).connect() as connection:
        tables.reflect(connection)
        return [
            " ".join(map(str, row))
            for table in tables.sorted_tables
            for row in connection.execute(select(table))
        ]
