"""teams with titles, grants and limits; narrowed rights; scoped tokens; an audit record that is a chain"""

from __future__ import annotations

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_GENESIS = "0" * 64
_CHAINED = (
    "id at_ms request_id actor_id actor via token address host namespace method path verb action target outcome "
    "status ref detail"
).split()
_NEW_AUDIT = (("token", 32), ("action", 64), ("target", 255))


def upgrade() -> None:
    """Apply; the records that are there become the chain's first links."""
    with op.batch_alter_table("teams") as batch:
        batch.add_column(sa.Column("title", sa.String(64), nullable=False, server_default=""))
        batch.add_column(sa.Column("archived_ms", sa.BigInteger()))
        batch.add_column(sa.Column("grants", sa.JSON(), nullable=False, server_default="[]"))
        batch.add_column(sa.Column("limits", sa.JSON(), nullable=False, server_default="{}"))
    with op.batch_alter_table("memberships") as batch:
        batch.add_column(sa.Column("rights", sa.JSON(), nullable=False, server_default="[]"))
    with op.batch_alter_table("tokens") as batch:
        batch.alter_column("user_id", existing_type=sa.String(32), nullable=True)
        batch.add_column(sa.Column("team_id", sa.String(32)))
        batch.add_column(sa.Column("role", sa.String(16)))
        batch.add_column(sa.Column("scope", sa.JSON(), nullable=False, server_default="{}"))
        batch.add_column(sa.Column("created_by", sa.String(64), nullable=False, server_default=""))
        batch.create_foreign_key(op.f("fk_tokens_team_id_teams"), "teams", ["team_id"], ["id"], ondelete="CASCADE")
        batch.create_index(op.f("ix_tokens_team_id"), ["team_id"])
    with op.batch_alter_table("audit") as batch:
        for name, length in _NEW_AUDIT:
            batch.add_column(sa.Column(name, sa.String(length), nullable=False, server_default=""))
        batch.add_column(sa.Column("ref", sa.Integer()))
        batch.add_column(sa.Column("detail", sa.Text(), nullable=False, server_default=""))
        batch.add_column(sa.Column("hash", sa.String(64), nullable=False, server_default=""))
        batch.create_index(op.f("ix_audit_ref"), ["ref"])
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("anchor", sa.String(64), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_audit_head_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    _chain(op.get_bind())


def _chain(connection: sa.Connection) -> None:
    table = sa.Table("audit", sa.MetaData(), autoload_with=connection)
    last, link = 0, _GENESIS
    for row in connection.execute(sa.select(table).order_by(table.c.id)).mappings().all():
        values = [row[name] for name in _CHAINED]
        link = hashlib.sha256(f"{link}\n{json.dumps(values, ensure_ascii=True)}".encode()).hexdigest()
        connection.execute(sa.update(table).where(table.c.id == row["id"]).values(hash=link))
        last = row["id"]
    head = sa.table("audit_head", *(sa.column(name) for name in ("id", "last", "hash", "anchor")))
    connection.execute(sa.insert(head).values(id=1, last=last, hash=link, anchor=_GENESIS))


def downgrade() -> None:
    """Take back; tokens of teams go, and what the chain added."""
    op.drop_table("audit_head")
    op.execute("DELETE FROM audit WHERE ref IS NOT NULL")
    with op.batch_alter_table("audit") as batch:
        batch.drop_index(op.f("ix_audit_ref"))
        for name in ("hash", "detail", "ref", *(name for name, _ in _NEW_AUDIT)):
            batch.drop_column(name)
    op.execute("DELETE FROM tokens WHERE user_id IS NULL")
    with op.batch_alter_table("tokens") as batch:
        batch.drop_index(op.f("ix_tokens_team_id"))
        batch.drop_constraint(op.f("fk_tokens_team_id_teams"), type_="foreignkey")
        for name in ("created_by", "scope", "role", "team_id"):
            batch.drop_column(name)
        batch.alter_column("user_id", existing_type=sa.String(32), nullable=False)
    with op.batch_alter_table("memberships") as batch:
        batch.drop_column("rights")
    with op.batch_alter_table("teams") as batch:
        for name in ("limits", "grants", "archived_ms", "title"):
            batch.drop_column(name)
