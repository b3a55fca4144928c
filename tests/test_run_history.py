"""What a run remembers, and that another run is refused."""

import pytest
import torch

from countenance.checkpoints import LAST, read_checkpoint
from countenance.errors import UsageError
from countenance.run_history import RunHistory, module_state
from countenance.training import EpochReport, Position

FIRST = {"recipe": {"epochs": 2}, "data": {"train": "digest"}}


def begun(folder, first=FIRST):
    torch.manual_seed(0)
    module = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    return module, optimizer, RunHistory(folder, first, module, optimizer, ["rate"])


def step(module, optimizer):
    module(torch.rand(3, 2)).sum().backward()
    optimizer.step()


def test_it_goes_on_with_the_same_weights_moments_and_notes(tmp_path):
    module, optimizer, history = begun(tmp_path)
    assert not history.resume()
    step(module, optimizer)
    state = history.add(EpochReport(Position(1, 7), 0.5), rate=0.25)
    assert set(module_state(state)) == {"module.weight", "module.bias"}
    history.write_last(state, version="v")
    again, other, resumed = begun(tmp_path)
    assert resumed.resume()
    assert (resumed.position, resumed.noted) == (Position(1, 7), {"losses": [0.5], "rate": [0.25]})
    assert torch.equal(again.weight, module.weight)
    for each, kept in zip(again.parameters(), module.parameters(), strict=True):
        assert torch.equal(other.state[each]["momentum_buffer"], optimizer.state[kept]["momentum_buffer"])
    assert read_checkpoint(tmp_path, LAST).card["version"] == "v"


def test_a_run_that_was_begun_with_something_else_is_refused(tmp_path):
    _, _, history = begun(tmp_path)
    history.write_last(history.add(EpochReport(Position(1, 1), 1.0), rate=1.0))
    _, _, other = begun(tmp_path, {**FIRST, "recipe": {"epochs": 3}})
    with pytest.raises(UsageError, match="begun with"):
        other.resume()
