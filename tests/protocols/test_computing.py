"""Device and precision are decided once, for all machines, and said."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fakeoff.arena.compute import Machine, Speeds
from fakeoff.arena.errors import ConfigError
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.config.computing import decide, decided

FAST = Speeds(float32=2.0, bfloat16=1.0)
EMULATED = Speeds(float32=2.0, bfloat16=20.0)


def machine(cpu: Speeds = FAST, *, gpu: Speeds | None = None, gpus: int = 1, name: str = "here") -> Machine:
    return Machine(
        name=name,
        processor="Some CPU",
        features=("AVX2",),
        cpu=cpu,
        gpus=("Some GPU",) * gpus if gpu else (),
        gpu=gpu,
    )


Make = Callable[..., TournamentConfig]


def configured(toy_config: Make, **compute: object) -> TournamentConfig:
    return toy_config(compute={"device": "auto", "precision": "auto", **compute})


def test_auto_is_what_is_measured_to_be_faster_and_why_is_said(toy_config: Make) -> None:
    config = configured(toy_config)
    fast, emulated = decide(config, [machine()]), decide(config, [machine(EMULATED)])
    assert decided(fast.config) == ("cpu", "bfloat16")
    assert fast.lines == (
        "training in bfloat16 on Some CPU with AVX2 (measured: bfloat16 is 2 times as fast as float32)",
    )
    assert decided(emulated.config) == ("cpu", "float32")
    assert emulated.lines == (
        "training in float32 on Some CPU with AVX2 (measured: bfloat16 is 10 times slower than float32)",
    )


def test_one_slow_machine_decides_for_the_cluster(toy_config: Make) -> None:
    there = machine(EMULATED, name="there")
    decision = decide(configured(toy_config), [machine(), there])
    assert decided(decision.config) == ("cpu", "float32")
    assert "and 1 more (measured: bfloat16 is 0.1 to 2 times as fast" in decision.lines[0]


def test_a_choice_that_is_several_times_slower_is_kept_and_warned_of(toy_config: Make) -> None:
    decision = decide(configured(toy_config, precision="bfloat16"), [machine(EMULATED)])
    assert decided(decision.config) == ("cpu", "bfloat16")
    said, warning = decision.lines
    assert said.endswith("(as configured)")
    assert warning == (
        "warning: bfloat16 is 10.0 times slower than float32 here, and compute.precision asks for it; to let it be "
        "chosen: --set compute.precision=auto"
    )
    assert len(decide(configured(toy_config, precision="float32"), [machine(FAST)]).lines) == 2


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_a_choice_that_costs_little_is_not_warned_of(toy_config: Make, precision: str) -> None:
    alike = Speeds(float32=2.0, bfloat16=1.5)
    assert len(decide(configured(toy_config, precision=precision), [machine(alike)]).lines) == 1


def test_what_is_decided_is_not_decided_again(toy_config: Make) -> None:
    first = decide(configured(toy_config), [machine(gpu=FAST)]).config
    assert decide(first, [machine(gpu=EMULATED)]).config == first


def test_a_gpu_is_taken_where_there_is_one_by_its_own_speeds(toy_config: Make) -> None:
    decision = decide(configured(toy_config), [machine(EMULATED, gpu=FAST, gpus=2)])
    assert decided(decision.config) == ("cuda", "bfloat16")
    assert decision.lines[0].startswith("training in bfloat16 on 2 x Some GPU (measured")
    old = decide(configured(toy_config), [machine(FAST, gpu=EMULATED)])
    assert decided(old.config) == ("cuda", "float32")


def test_the_cpu_can_be_asked_for_beside_a_gpu(toy_config: Make) -> None:
    decision = decide(configured(toy_config, device="cpu"), [machine(EMULATED, gpu=FAST)])
    assert decided(decision.config) == ("cpu", "float32")


def test_a_gpu_that_is_not_there_is_one_line(toy_config: Make) -> None:
    with pytest.raises(ConfigError, match=r"no CUDA device on here; without one: --device cpu"):
        decide(configured(toy_config, device="cuda"), [machine()])
    with pytest.raises(ConfigError, match=r"this machine itself needs one"):
        decide(configured(toy_config, device="cuda"), [machine(), machine(gpu=FAST, name="there")])


def test_a_cluster_whose_driver_has_no_gpu_plays_on_cpus(toy_config: Make) -> None:
    decision = decide(configured(toy_config), [machine(), machine(EMULATED, gpu=FAST, name="there")])
    assert decided(decision.config) == ("cpu", "float32")


def test_machines_without_a_gpu_do_not_slow_down_those_with_one(toy_config: Make) -> None:
    decision = decide(configured(toy_config), [machine(gpu=FAST), machine(EMULATED, name="there")])
    assert decided(decision.config) == ("cuda", "bfloat16")


def test_nothing_is_played_undecided(toy_config: Make) -> None:
    with pytest.raises(ConfigError, match="not decided yet"):
        decided(configured(toy_config, precision="float32"))
