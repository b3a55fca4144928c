"""A module that worker processes can import too."""

import importlib
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def twins():
    folder = str(Path(__file__).parent)
    sys.path.insert(0, folder)
    yield importlib.import_module("training_twins")
    sys.path.remove(folder)
