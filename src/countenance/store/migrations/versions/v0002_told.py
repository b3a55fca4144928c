"""A failure is noted for a session, once, from the moment on at which its person is told what to do."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the session to each failure; those that are there have none."""
    op.add_column("failures", sa.Column("session", sa.String(100)))
    op.create_index("ix_failures_session", "failures", ["session"], unique=True)
