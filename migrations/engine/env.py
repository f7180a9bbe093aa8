"""Alembic's environment for the engine's database: the connection is given by `engine.storage.migrate`."""

from __future__ import annotations

from alembic import context

from engine.storage.models import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
