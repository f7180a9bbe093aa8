"""Every table of the web tier; times are milliseconds since the epoch, secrets are SHA-256 digests.

Rows are dumb: rules live in `services` and `access`. A change here needs a revision in migrations/web.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)


def _owner(
    column: str, target: str, *, primary: bool = False, index: bool = False, nullable: bool = False
) -> Column[str]:
    return Column(
        column,
        String(32),
        ForeignKey(f"{target}.id", ondelete="CASCADE"),
        nullable=nullable,
        primary_key=primary,
        index=index,
    )


USERS = Table(
    "users",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("name_key", String(64), nullable=False, unique=True),  # case-folded
    Column("password_hash", String(255), nullable=False),
    Column("admin", Boolean, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

TEAMS = Table(
    "teams",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),  # is the engines' namespace too; never changes
    Column("created_ms", BigInteger, nullable=False),
    Column("title", String(64), nullable=False, default=""),  # what people call it; empty: its name
    Column("archived_ms", BigInteger),
    Column("grants", JSON, nullable=False, default=list),  # what its deployers may ask of the host
    Column("limits", JSON, nullable=False, default=dict),
)

MEMBERSHIPS = Table(
    "memberships",
    METADATA,
    _owner("user_id", "users", primary=True),
    _owner("team_id", "teams", primary=True, index=True),
    Column("role", String(16), nullable=False),
    Column("rights", JSON, nullable=False, default=list),  # more than the role, on names that match a pattern
    CheckConstraint("role IN ('viewer', 'operator', 'deployer', 'owner')", name="role"),
)

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("secret_hash", String(64), nullable=False, unique=True),
    _owner("user_id", "users", index=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("last_seen_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("address", String(64), nullable=False),
    Column("agent", String(255), nullable=False),
)

TOKENS = Table(
    "tokens",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("secret_hash", String(64), nullable=False, unique=True),
    _owner("user_id", "users", index=True, nullable=True),  # none: the team's own
    Column("name", String(64), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("last_used_ms", BigInteger),
    _owner("team_id", "teams", index=True, nullable=True),
    Column("role", String(16)),  # a team's token only
    Column("scope", JSON, nullable=False, default=dict),  # verbs, teams, hosts; what is not named is not narrowed
    Column("created_by", String(64), nullable=False, default=""),
)

SETUP = Table(
    "setup",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("secret_hash", String(64), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger),
    CheckConstraint("id = 1", name="single"),
)

HOSTS = Table(
    "hosts",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("url", String(255), nullable=False),  # empty: the embedded engine's socket
    Column("created_ms", BigInteger, nullable=False),
)

OPERATIONS = Table(
    "operations",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("title", String(255), nullable=False),
    Column("host", String(32), nullable=False),
    Column("owner", String(64), nullable=False),  # a name, kept after the user is gone
    Column("namespace", String(64), nullable=False),
    Column("params", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("started_ms", BigInteger),
    Column("finished_ms", BigInteger),
    Column("error", Text, nullable=False),
    Column("progress", JSON, nullable=False),
    Column("log", JSON, nullable=False),
    CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="state"),
    Index("ix_operations_namespace_created", "namespace", "created_ms"),
    Index("ix_operations_state", "state"),
)

AUDIT = Table(
    "audit",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False, index=True),
    Column("request_id", String(32), nullable=False),
    Column("actor_id", String(32), nullable=False),
    Column("actor", String(64), nullable=False),
    Column("via", String(16), nullable=False),
    Column("address", String(64), nullable=False),
    Column("host", String(32), nullable=False),
    Column("namespace", String(64), nullable=False),
    Column("method", String(16), nullable=False),
    Column("path", String(1024), nullable=False),
    Column("verb", String(16), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("status", Integer),
    Column("token", String(32), nullable=False, default=""),
    Column("action", String(64), nullable=False, default=""),
    Column("target", String(255), nullable=False, default=""),
    Column("ref", Integer, index=True),  # this row is the result of that one
    Column("detail", Text, nullable=False, default=""),  # JSON, as it was hashed
    Column("hash", String(64), nullable=False, default=""),
    CheckConstraint("outcome IN ('allowed', 'denied')", name="outcome"),
)

AUDIT_HEAD = Table(
    "audit_head",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("last", Integer, nullable=False),
    Column("hash", String(64), nullable=False),  # of the newest row
    Column("anchor", String(64), nullable=False),  # what the oldest kept row follows
    CheckConstraint("id = 1", name="single"),
)
