"""The engine's tables. Documents are JSON: what is looked up or joined has a column, the rest is the noun's value."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

METADATA = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"}
)

CONTAINERS = Table(
    "containers",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("namespace", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("document", Text, nullable=False),
    UniqueConstraint("namespace", "name"),
)

JOURNAL = Table(
    "journal",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("time_ns", Integer, nullable=False),
    Column("namespace", String(64), nullable=False),
    Column("type", String(32), nullable=False),
    Column("action", String(255), nullable=False),
    Column("actor_id", String(255), nullable=False),
    Column("by", String(255), nullable=False),
    Column("attributes", Text, nullable=False),
    Index(None, "namespace", "seq"),
    Index(None, "time_ns"),
    sqlite_autoincrement=True,
)

IMAGES = Table(
    "images",
    METADATA,
    Column("namespace", String(64), primary_key=True),
    Column("id", String(255), primary_key=True),
    Column("document", Text, nullable=False),
)

IMAGE_REFERENCES = Table(
    "image_references",
    METADATA,
    Column("namespace", String(64), primary_key=True),
    Column("reference", String(512), primary_key=True),
    Column("image_id", String(255), nullable=False),
    Index(None, "namespace", "image_id"),
)

VOLUMES = Table(
    "volumes",
    METADATA,
    Column("namespace", String(64), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("document", Text, nullable=False),
)

NETWORKS = Table(
    "networks",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("namespace", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("document", Text, nullable=False),
    UniqueConstraint("namespace", "name"),
)

LOG_ARCHIVES = Table(
    "log_archives",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("namespace", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("removed_ns", Integer, nullable=False),
    Column("ready", Integer, nullable=False),
    Column("size", Integer, nullable=False),
    Column("stored", Integer, nullable=False),
    Column("document", Text, nullable=False),
    Index(None, "namespace", "removed_ns"),
)

LOG_POLICIES = Table(
    "log_policies",
    METADATA,
    Column("namespace", String(64), primary_key=True),
    Column("document", Text, nullable=False),
)

BUILD_CACHE = Table(
    "build_cache",
    METADATA,
    Column("namespace", String(64), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("document", Text, nullable=False),
)

BUILDS = Table(
    "builds",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("namespace", String(64), nullable=False),
    Column("created_ns", Integer, nullable=False),
    Column("document", Text, nullable=False),
    Index(None, "namespace", "created_ns"),
)
