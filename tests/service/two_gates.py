"""Serves one PostgreSQL by two processes with gates without networks, until a signal: python -m ... URL KEYFILE.

The second process is forked from the first, so that what takes seconds to import is imported once.
"""

import os
import sys
import time
from pathlib import Path

from tests.service.conftest import FakeGate

from countenance.receipts import read_signing_key
from countenance.service.running import open_door, run
from countenance.service.settings import Settings
from countenance.store.database import open_store
from countenance.vault import Vault


def serve(url: str, key: str) -> None:
    """Say where both listen, and serve."""
    doors = [open_door("127.0.0.1", 0) for _ in range(2)]
    print(*(door.getsockname()[1] for door in doors), flush=True)
    child = os.fork()
    settings = Settings()
    gate = FakeGate(settings.frame_limits)
    gate.before_look = lambda: time.sleep(0.2)  # so that what is sent to both at once is looked at by both
    doors[not child].close()
    run(
        doors[bool(child)],
        open_store(url, vault=Vault([bytes(32)])),  # of this process: no connection goes through a fork
        settings=settings,
        signer=read_signing_key(Path(key)),
        load=lambda: gate,
        say=lambda _: None,
    )
    if child:
        os.waitpid(child, 0)


if __name__ == "__main__":
    serve(*sys.argv[1:])
