"""Runs migrations: when the app starts, and for ``flask --app flask_demo db …``."""

from __future__ import annotations

from alembic import context

from flask_demo.database import lock_schema
from flask_demo.extensions import db

with db.engine.connect() as connection:
    lock_schema(connection)  # workers that start at the same moment take turns
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        render_as_batch=True,  # SQLite cannot change a column in place
    )
    context.run_migrations()
    connection.commit()
