"""First tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_STATUSES = (
    *("started", "claimed", "provisioning", "stored"),
    *("denied", "failed", "unknown", "expired"),
)


_OPEN_DUTY = "done_at IS NULL AND (status = 'unknown' OR CAST(to_delete AS VARCHAR) != '[]')"


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "user_account",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
    )
    op.create_table(
        "connect_attempt",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("user_id", sa.Integer(), sa.ForeignKey("user_account.id"), nullable=False),
        sa.Column("status", sa.Enum(*_STATUSES, native_enum=False, length=16), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("login", sa.JSON()),
        sa.Column("browser", sa.String(), nullable=False),
        sa.Column("permissions", sa.JSON(), nullable=False),
        sa.Column("is_renewal", sa.Boolean(), nullable=False),
        sa.Column("uid", sa.String()),
        sa.Column("to_delete", sa.JSON(), nullable=False),
        sa.Column("done_at", sa.BigInteger()),
    )
    op.create_index("ix_connect_attempt_user", "connect_attempt", ["user_id", "id"])
    op.create_index(
        "ix_connect_attempt_duty",
        "connect_attempt",
        ["user_id", "id"],
        postgresql_where=sa.text(_OPEN_DUTY),
        sqlite_where=sa.text(_OPEN_DUTY),
    )
    op.create_table(
        "connected_key",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column(
            "user_id", sa.Integer(), sa.ForeignKey("user_account.id"), nullable=False, index=True
        ),
        sa.Column(
            "attempt_id",
            sa.Integer(),
            sa.ForeignKey("connect_attempt.id"),
            nullable=False,
            index=True,
        ),
        sa.Column(
            "latest_attempt_id", sa.Integer(), sa.ForeignKey("connect_attempt.id"), nullable=False
        ),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_token", sa.LargeBinary()),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.Column("api_name", sa.String(), nullable=False),
        sa.Column("hint", sa.String(), nullable=False),
        sa.Column("granted", sa.JSON(), nullable=False),
        sa.Column("uid", sa.String()),
        sa.Column("sub_name", sa.String()),
        sa.Column("permissions", sa.JSON(), nullable=False),
        sa.Column("ip_whitelist", sa.JSON(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("site_type", sa.String()),
        sa.Column("checked_at", sa.BigInteger(), nullable=False, index=True),
        sa.Column("tried_at", sa.BigInteger(), nullable=False),
        sa.Column("check_error", sa.String(), nullable=False),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Take this revision back."""
    op.drop_table("connected_key")
    op.drop_table("connect_attempt")
    op.drop_table("user_account")
