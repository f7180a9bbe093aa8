"""Initial tables: containers, journal, images, volumes, networks.

Revision: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""

    op.create_table(
        "containers",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("namespace", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("namespace", "name", name=op.f("uq_containers_namespace_name")),
    )
    op.create_table(
        "image_references",
        sa.Column("namespace", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.String(length=512), nullable=False),
        sa.Column("image_id", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "reference"),
    )
    with op.batch_alter_table("image_references", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_image_references_namespace_image_id"), ["namespace", "image_id"], unique=False
        )

    op.create_table(
        "images",
        sa.Column("namespace", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "id"),
    )
    op.create_table(
        "journal",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("time_ns", sa.Integer(), nullable=False),
        sa.Column("namespace", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("action", sa.String(length=255), nullable=False),
        sa.Column("actor_id", sa.String(length=255), nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("journal", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_journal_namespace_seq"), ["namespace", "seq"], unique=False)
        batch_op.create_index(batch_op.f("ix_journal_time_ns"), ["time_ns"], unique=False)

    op.create_table(
        "networks",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("namespace", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("namespace", "name", name=op.f("uq_networks_namespace_name")),
    )
    op.create_table(
        "volumes",
        sa.Column("namespace", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "name"),
    )


def downgrade() -> None:
    """Take the tables back to the revision before."""

    op.drop_table("volumes")
    op.drop_table("networks")
    with op.batch_alter_table("journal", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_journal_time_ns"))
        batch_op.drop_index(batch_op.f("ix_journal_namespace_seq"))

    op.drop_table("journal")
    op.drop_table("images")
    with op.batch_alter_table("image_references", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_image_references_namespace_image_id"))

    op.drop_table("image_references")
    op.drop_table("containers")
