import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from countenance.service.tokens import PREFIX, session_of, token_of

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TOKEN = token_of("s-1", expires=100.0, signer=KEY)


def test_a_token_is_good_for_its_session_until_its_end():
    assert session_of(TOKEN, now=100.0, signer=KEY) == "s-1"
    assert session_of(TOKEN, now=100.001, signer=KEY) is None


def test_every_changed_letter_is_refused():
    start = len(PREFIX)
    changed = [TOKEN[:at] + ("A" if TOKEN[at] != "A" else "B") + TOKEN[at + 1 :] for at in range(start, len(TOKEN))]
    good = [text for text in changed if session_of(text, now=0.0, signer=KEY) is not None]
    # the last letter of base64 holds bits that mean nothing: what is told is still what was signed
    assert all(session_of(text, now=0.0, signer=KEY) == "s-1" for text in good)
    assert len(good) <= 1


def test_another_key_is_refused():
    assert session_of(TOKEN, now=0.0, signer=Ed25519PrivateKey.from_private_bytes(bytes(32))) is None


@pytest.mark.parametrize("text", ["", PREFIX, PREFIX + ".", "a.b.c", PREFIX + "é.é", PREFIX + "AA.AA", "session.=.="])
def test_what_is_no_token_is_refused(text):
    assert session_of(text, now=0.0, signer=KEY) is None


def test_a_signature_over_something_else_is_no_token():
    content = bytes(8) + b"s-1"
    import base64

    forged = base64.urlsafe_b64encode(content).decode().rstrip("=")
    signature = base64.urlsafe_b64encode(KEY.sign(content)).decode().rstrip("=")
    assert session_of(f"{PREFIX}{forged}.{signature}", now=0.0, signer=KEY) is None
