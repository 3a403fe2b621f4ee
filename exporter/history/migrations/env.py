"""What Alembic runs for each migration: on the connection that the history opened, within its transaction."""

from alembic import context

from exporter.history.schema import PREFIX, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    version_table=f"{PREFIX}history_version",
)
context.run_migrations()
