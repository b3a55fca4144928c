"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    """Make them, with an audit log that is empty and a gallery that nobody is in."""
    op.create_table(
        "subjects",
        sa.Column("subject", sa.String(100), primary_key=True),
        sa.Column("enrolled", sa.Double, nullable=False),
        sa.Column("changed", sa.Double, nullable=False),
        sa.Column("consent", sa.LargeBinary),
    )
    op.create_table(
        "templates",
        sa.Column("template", sa.String(32), primary_key=True),
        sa.Column("subject", sa.String(100), sa.ForeignKey("subjects.subject"), nullable=False),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("weights", sa.String(100), nullable=False),
        sa.Column("made", sa.Double, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_templates_subject", "templates", ["subject"])
    op.create_table(
        "counters",
        sa.Column("name", sa.String(20), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("session", sa.String(100), primary_key=True),
        sa.Column("subject", sa.String(100), nullable=False),
        sa.Column("nonce", sa.String(200), nullable=False, unique=True),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("expires", sa.Double, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.Column("spent", sa.Double),
        sa.Column("decision", sa.LargeBinary),
    )
    op.create_index("ix_sessions_subject", "sessions", ["subject"])
    op.create_index("ix_sessions_expires", "sessions", ["expires"])
    op.create_table(
        "receipts",
        sa.Column("receipt", sa.String(100), primary_key=True),
        sa.Column("session", sa.String(100), nullable=False, unique=True),
        sa.Column("subject", sa.String(100), nullable=False),
        sa.Column("signed", sa.LargeBinary, nullable=False),
        sa.Column("kept", sa.Double, nullable=False),
        sa.Column("spent", sa.Double),
    )
    op.create_index("ix_receipts_subject", "receipts", ["subject"])
    op.create_table(
        "failures",
        sa.Column("failure", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("subject", sa.String(100), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_index("ix_failures_subject", "failures", ["subject"])
    op.create_table(
        "frames",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_index("ix_frames_at", "frames", ["at"])
    op.create_table(
        "api_keys",
        sa.Column("key", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("added", sa.Double, nullable=False),
        sa.Column("revoked", sa.Double),
    )
    op.create_table(
        "pseudonyms",
        sa.Column("subject", sa.String(100), primary_key=True),
        sa.Column("salt", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("subject", sa.String(64)),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.create_index("ix_audit_subject", "audit", ["subject"])
    op.create_table(
        "audit_head",
        sa.Column(
            "head", sa.Integer, sa.CheckConstraint("head = 1", name="one_head"), primary_key=True, autoincrement=False
        ),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    counters = sa.table("counters", sa.column("name"), sa.column("value"))
    op.bulk_insert(counters, [{"name": "gallery", "value": 0}])
    head = sa.table("audit_head", sa.column("head"), sa.column("number"), sa.column("digest"))
    op.bulk_insert(head, [{"head": 1, "number": 0, "digest": "0" * 64}])
