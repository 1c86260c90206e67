"""The PostgreSQL fixtures: a server, and a database for each test."""

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_its_own_database(postgres_database: str, turn: int) -> None:
    """Two tests can create the same table, because neither sees the other's."""
    engine = create_engine(postgres_database, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE kept (turn integer)"))
        connection.execute(text("INSERT INTO kept VALUES (:turn)"), {"turn": turn})
    with engine.connect() as connection:
        assert connection.execute(text("SELECT turn FROM kept")).scalars().all() == [turn]


def test_server_has_room_for_many(postgres_url: str) -> None:
    """The server uses UTF-8, and allows the 200 connections that tests with many workers need.

    PostgreSQL's default is 100. A server that `TEST_DATABASE_URL` names needs 200, too.
    """
    engine = create_engine(postgres_url, poolclass=NullPool)
    with engine.connect() as connection:
        assert connection.execute(text("SHOW server_encoding")).scalar() == "UTF8"
        assert int(connection.execute(text("SHOW max_connections")).scalar_one()) >= 200
