"""First tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_OPEN_DUTY = "done_at IS NULL AND (status = 'unknown' OR CAST(to_delete AS VARCHAR) != '[]')"


def _required(name: str, *args: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, *args, nullable=False, **options)


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "user_account",
        sa.Column("id", sa.Integer(), primary_key=True),
        _required("name", sa.String(), unique=True),
        _required("epoch", sa.Integer()),
    )
    op.create_table(
        "connect_attempt",
        sa.Column("id", sa.Integer(), primary_key=True),
        _required("user_id", sa.Integer(), sa.ForeignKey("user_account.id")),
        _required("status", sa.String(16)),
        _required("created_at", sa.BigInteger()),
        _required("changed_at", sa.BigInteger()),
        _required("error", sa.String()),
        _required("detail", sa.String()),
        sa.Column("login", sa.JSON()),
        _required("browser", sa.String()),
        _required("permissions", sa.JSON()),
        _required("is_renewal", sa.Boolean()),
        sa.Column("uid", sa.String()),
        _required("to_delete", sa.JSON()),
        sa.Column("done_at", sa.BigInteger()),
    )
    op.create_index("ix_connect_attempt_user", "connect_attempt", ["user_id", "id"])
    duty: Any = {f"{name}_where": sa.text(_OPEN_DUTY) for name in ("postgresql", "sqlite")}
    op.create_index("ix_open_duty", "connect_attempt", ["user_id", "id"], **duty)
    op.create_table(
        "connected_key",
        sa.Column("id", sa.Integer(), primary_key=True),
        _required("user_id", sa.Integer(), sa.ForeignKey("user_account.id"), index=True),
        _required("attempt_id", sa.Integer(), sa.ForeignKey("connect_attempt.id"), index=True),
        _required("latest_attempt_id", sa.Integer(), sa.ForeignKey("connect_attempt.id")),
        _required("sealed_key", sa.LargeBinary()),
        sa.Column("sealed_token", sa.LargeBinary()),
        _required("stored_at", sa.BigInteger()),
        _required("api_name", sa.String()),
        _required("hint", sa.String()),
        _required("granted", sa.JSON()),
        sa.Column("uid", sa.String()),
        sa.Column("sub_name", sa.String()),
        _required("permissions", sa.JSON()),
        _required("ip_whitelist", sa.JSON()),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("site_type", sa.String()),
        _required("checked_at", sa.BigInteger()),
        _required("tried_at", sa.BigInteger()),
        _required("check_error", sa.String()),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_connected_key_due", "connected_key", ["checked_at", "id"])


def downgrade() -> None:
    """Take this revision back."""
    for table in ("connected_key", "connect_attempt", "user_account"):
        op.drop_table(table)
