"""Alembic's environment of the web tier's database; run by `webui.models.database.migrate` on its connection."""

from __future__ import annotations

from alembic import context

from webui.models.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
