"""Why a state does not fit a network, in a line that can be read."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fakeoff.arena.players.misfit import describe_misfit


def said_of(state: dict[str, torch.Tensor]) -> str:
    network = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))
    with pytest.raises(RuntimeError) as raised:
        network.load_state_dict({**network.state_dict(), **state} if "only" not in state else state)
    return describe_misfit(raised.value)


def test_each_kind_of_misfit_is_a_clause_with_names_and_how_many_more() -> None:
    shapes = {"0.weight": torch.zeros(3, 5), "1.running_mean": torch.zeros(7)}
    assert said_of(shapes) == "its '0.weight' is 3 x 5 where 2 x 4 is wanted, and 1 more are of another shape"
    assert said_of({"1.num_batches_tracked": torch.zeros(2)}).endswith("is 2 where one number is wanted")
    assert said_of({"head.a": torch.zeros(1)}) == "it has what is not the network's: 'head.a'"
    assert said_of({"only": torch.zeros(1)}) == (
        "it lacks '0.weight', '0.bias', '1.weight' and 5 more; it has what is not the network's: 'only'"
    )


def test_a_name_from_a_file_stays_in_its_line() -> None:
    text = said_of({"a\x1b[31m\nb" + "c" * 500: torch.zeros(1)})
    assert "\n" not in text
    assert "\x1b" not in text
    assert len(text) < 300


def test_another_error_is_said_as_it_is() -> None:
    assert describe_misfit(ValueError("give a ResNet-50")) == "ValueError: give a ResNet-50"
