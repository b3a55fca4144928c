"""What the tests of the store share: a store of either kind, people, and a vault."""

from collections.abc import Callable

import numpy as np
import pytest

from countenance.receipts import Receipt, sign
from countenance.store.database import open_store
from countenance.vault import Vault


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """The address of an empty database, of either kind."""
    return f"sqlite:///{tmp_path}/gate.db" if request.param == "sqlite" else request.getfixturevalue("postgresql")()


@pytest.fixture
def vault():
    return Vault([bytes(range(32))])


@pytest.fixture
def opened(url, vault):
    """A function that opens the one database again and again, as other processes do."""
    stores = []

    def open_again(**options):
        stores.append(open_store(url, vault=vault, **options))
        return stores[-1]

    yield open_again
    for store in stores:
        store.close()


@pytest.fixture
def store(opened):
    return opened(now=lambda: 1_000.0)


@pytest.fixture(scope="session")
def faces() -> Callable[..., np.ndarray]:
    """A function that makes K templates of length 1."""

    def make(count=1, *, seed=0, numbers=8):
        rows = np.random.default_rng(seed).normal(size=(count, numbers))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def signed():
    """A function that signs a receipt of a session."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(bytes(32))

    def make(session, *, identifier="r1"):
        receipt = Receipt(
            identifier=identifier,
            session=session,
            subject="a" * 64,
            name=None,
            nonce="n",
            actions=(),
            issued=1,
            decided=2,
            frames=3,
            head="b" * 64,
            models={},
            policy="c" * 64,
            accepted=True,
            reasons=(),
        )
        return sign(receipt, key)

    return make
