"""The tables. Templates, consent and states of sessions are sealed by the vault; the rest is in the clear.

The name of a subject stands in the clear: choose a pseudonym (a number of the staff, say) where the name itself must
not be in the database. A keyed digest in its place would have to be made anew for everybody whenever the key changes,
and would still tell whoever holds the key.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

METADATA = MetaData()

SUBJECTS = Table(
    "subjects",
    METADATA,
    Column("subject", String(100), primary_key=True),
    Column("enrolled", Double, nullable=False),  # seconds since the epoch, as every time here
    Column("changed", Double, nullable=False),
    Column("consent", LargeBinary),  # sealed JSON
)
TEMPLATES = Table(
    "templates",
    METADATA,
    Column("template", String(32), primary_key=True),
    Column("subject", ForeignKey("subjects.subject"), nullable=False, index=True),
    Column("model", String(100), nullable=False),
    Column("weights", String(100), nullable=False),  # digest
    Column("made", Double, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # little-endian float32 (D,)
)
COUNTERS = Table(
    "counters",
    METADATA,
    Column("name", String(20), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
SESSIONS = Table(
    "sessions",
    METADATA,
    Column("session", String(100), primary_key=True),
    Column("subject", String(100), nullable=False, index=True),
    Column("nonce", String(200), nullable=False, unique=True),
    Column("key", String(32), nullable=False),  # which API key began it
    Column("created", Double, nullable=False),
    Column("expires", Double, nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("state", LargeBinary, nullable=False),  # sealed JSON
    Column("spent", Double),
    Column("decision", LargeBinary),  # sealed JSON
)
RECEIPTS = Table(
    "receipts",
    METADATA,
    Column("receipt", String(100), primary_key=True),
    Column("session", String(100), nullable=False, unique=True),
    Column("subject", String(100), nullable=False, index=True),
    Column("signed", LargeBinary, nullable=False),
    Column("kept", Double, nullable=False),
    Column("spent", Double),
)
FAILURES = Table(
    "failures",
    METADATA,
    Column("failure", Integer, primary_key=True, autoincrement=True),
    Column("subject", String(100), nullable=False, index=True),
    Column("at", Double, nullable=False),
    Column("session", String(100), unique=True, index=True),  # that it is noted for, once; none of those of older steps
)
FRAMES = Table(
    "frames",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("at", Double, nullable=False, index=True),
)
API_KEYS = Table(
    "api_keys",
    METADATA,
    Column("key", String(32), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("role", String(20), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("added", Double, nullable=False),
    Column("revoked", Double),
)
PSEUDONYMS = Table(  # the salt by which the audit log names a subject; deleted when the subject is forgotten
    "pseudonyms",
    METADATA,
    Column("subject", String(100), primary_key=True),
    Column("salt", LargeBinary, nullable=False),
)
AUDIT = Table(
    "audit",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),  # milliseconds, since it is digested
    Column("subject", String(64), index=True),  # salted digest
    Column("event", Text, nullable=False),  # canonical JSON
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
)
AUDIT_HEAD = Table(  # one row: who appends locks it
    "audit_head",
    METADATA,
    Column("head", Integer, CheckConstraint("head = 1", name="one_head"), primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
)
