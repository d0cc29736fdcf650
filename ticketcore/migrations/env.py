"""Runs the migrations on the connection that `founding.migrate` hands over."""

from alembic import context

from ticketcore.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
