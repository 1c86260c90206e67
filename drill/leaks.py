"""Searches the demo's pages, gunicorn's log and the database for secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import MetaData, create_engine, select
from sqlalchemy.pool import NullPool

from authlib_kucoin.sandbox import IssuedKey

#: The first characters of the sandbox's codes and tokens, without the slash that URLs encode.
_SHAPES: Final = re.compile(r"sandbox-(?:code|access|refresh)\b")


def find(texts: Mapping[str, Iterable[str]], keys: Sequence[IssuedKey]) -> list[str]:
    """Return the places in which a secret was found, in words.

    Args:
        texts: The texts to search, by the name of their place.
        keys: The issued keys. Their secrets and passphrases are searched for. Codes and tokens of
            all sandboxes are recognised by their first characters.
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
