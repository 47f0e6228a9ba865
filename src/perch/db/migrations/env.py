"""Alembic's entry: the connection and the metadata come from whoever migrates."""

from alembic import context

config = context.config
context.configure(
    connection=config.attributes["connection"],
    target_metadata=config.attributes["metadata"],
    render_as_batch=True,
    transaction_per_migration=False,
    compare_type=True,
    user_module_prefix="perch.db.base.",
)
with context.begin_transaction():
    context.run_migrations()
