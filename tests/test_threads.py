"""One thread for a while, then as many as before, also when something went wrong."""

import pytest
import torch

from countenance.threads import one_thread


def fail_on_one_thread():
    with one_thread():
        assert torch.get_num_threads() == 1
        raise ZeroDivisionError


def test_threads_are_given_back():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with pytest.raises(ZeroDivisionError):
            fail_on_one_thread()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
