"""log archives and log policies

Revision: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "log_archives",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("namespace", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("removed_ns", sa.Integer(), nullable=False),
        sa.Column("ready", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("stored", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("log_archives", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_log_archives_namespace_removed_ns"), ["namespace", "removed_ns"], unique=False
        )
    op.create_table(
        "log_policies",
        sa.Column("namespace", sa.String(length=64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("namespace"),
    )


def downgrade() -> None:
    """Take them away; the files of archived logs stay where they are."""
    op.drop_table("log_policies")
    with op.batch_alter_table("log_archives", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_log_archives_namespace_removed_ns"))
    op.drop_table("log_archives")
