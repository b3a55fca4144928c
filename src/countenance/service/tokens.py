"""Tokens of sessions: what a browser holds instead of an API key, good for one session until it ends.

A token is the session's name and the end of its time, signed with the key that signs receipts, under words that no
receipt begins with; every process that shares that key takes it, and nothing is kept.
"""

import base64
import binascii
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PREFIX = "session."
_CONTEXT = b"countenance session token 1\0"


def token_of(session_id: str, *, expires: float, signer: Ed25519PrivateKey) -> str:
    """Return the token of a session.

    >>> key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    >>> session_of(token_of("s1", expires=100.0, signer=key), now=99.0, signer=key)
    's1'
    """
    said = struct.pack(">d", expires) + session_id.encode()
    return PREFIX + _coded(said) + "." + _coded(signer.sign(_CONTEXT + said))


def session_of(token: str, *, now: float, signer: Ed25519PrivateKey) -> str | None:
    """Return the session that a token is good for; None when it is not ours, or its time is over."""
    said, _, signature = token.removeprefix(PREFIX).partition(".")
    try:
        content = _decoded(said)
        signer.public_key().verify(_decoded(signature), _CONTEXT + content)
        (expires,) = struct.unpack_from(">d", content)
    except (InvalidSignature, binascii.Error, ValueError, struct.error):
        return None
    return content[8:].decode() if now <= expires else None


def _coded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
