"""Which precision is faster is measured, once for each kind of machine, and read from the cache afterwards."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fakeoff.arena.compute import Speeds, describe, faster, machine, measure, survey
from fakeoff.arena.compute.machine import SPEEDS
from fakeoff.arena.compute.precision import CLEARLY_FASTER
from fakeoff.arena.seeds import global_states

MILLISECONDS = st.floats(0.01, 1e4)
SPEED = st.builds(lambda a, b: Speeds(float32=a, bfloat16=b), MILLISECONDS, MILLISECONDS)


@given(st.lists(SPEED, min_size=1, max_size=5))
def test_all_machines_get_what_is_faster_on_the_slowest(speeds: list[Speeds]) -> None:
    chosen = faster(speeds)
    slowest = {name: max(getattr(of, name) for of in speeds) for name in ("float32", "bfloat16")}
    other = "float32" if chosen == "bfloat16" else "bfloat16"
    assert slowest[chosen] <= slowest[other] * CLEARLY_FASTER
    assert faster(list(reversed(speeds))) == chosen


def test_a_tie_goes_to_float32() -> None:
    assert faster([Speeds(float32=1.0, bfloat16=1.0)]) == "float32"
    assert faster([Speeds(float32=1.0, bfloat16=0.95)]) == "float32"
    assert faster([Speeds(float32=1.0, bfloat16=0.5)]) == "bfloat16"


@given(SPEED)
def test_a_precision_is_as_much_slower_as_the_other_is_faster(speeds: Speeds) -> None:
    assert speeds.slowdown("bfloat16") * speeds.slowdown("float32") == pytest.approx(1)
    assert (speeds.slowdown("bfloat16") > 1) == (speeds.bfloat16 > speeds.float32)


def test_measuring_leaves_threads_gradients_and_random_state_alone() -> None:
    before = global_states()
    with torch.no_grad():
        speeds = measure()
        assert not torch.is_grad_enabled()
    assert min(speeds.float32, speeds.bfloat16) > 0
    assert torch.get_num_threads() == 1
    assert global_states() == before


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the switches are of x86")
def test_where_bfloat16_is_emulated_float32_is_measured_to_be_faster() -> None:
    """oneDNN's own switch takes a processor's bfloat16 instructions away: this is what an AVX2 machine measures."""
    code = "from fakeoff.arena.compute import *; speeds = measure(); print(faster([speeds]), speeds.gain)"
    avx2 = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    done = subprocess.run([sys.executable, "-c", code], env=avx2, capture_output=True, text=True, check=True)
    precision, gain = done.stdout.split()
    assert precision == "float32"
    assert float(gain) < 0.5


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An empty cache; each measurement is written down, and finds bfloat16 twice as fast."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    devices: list[str] = []

    def fake(device: torch.device) -> Speeds:
        devices.append(str(device))
        return Speeds(float32=2.0, bfloat16=1.0)

    monkeypatch.setattr(machine, "measure", fake)
    return devices


def test_a_machine_is_measured_once(measured: list[str]) -> None:
    first, second = survey(), survey()
    assert first == second
    assert first.cpu == Speeds(float32=2.0, bfloat16=1.0)
    assert measured == ["cpu"]


@pytest.mark.parametrize("change", ["torch", "switch", "processor"])
def test_another_release_or_processor_is_measured_anew(
    measured: list[str], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    survey()
    if change == "torch":
        monkeypatch.setattr(torch, "__version__", "9.9.9")
    elif change == "switch":
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    else:
        monkeypatch.setattr(machine, "_processor", lambda: ("another", frozenset({"avx2"})))
    survey()
    assert len(measured) == 2
    monkeypatch.undo()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '"text"', '{"KEY": 3}', '{"KEY": {"milliseconds": {"float32": "x"}}}',
                '{"KEY": {"milliseconds": {"float32": 0, "bfloat16": 0}}}',
                '{"KEY": {"milliseconds": {"float32": NaN, "bfloat16": 1}}}']
)  # fmt: skip
def test_a_damaged_cache_costs_one_measurement(measured: list[str], tmp_path: Path, content: str) -> None:
    survey()
    path = tmp_path / "fakeoff" / SPEEDS
    (key,) = json.loads(path.read_text())
    path.write_text(content.replace("KEY", key))
    assert survey().cpu == Speeds(float32=2.0, bfloat16=1.0)
    assert survey().cpu == Speeds(float32=2.0, bfloat16=1.0)
    assert len(measured) == 2


def test_a_cache_that_cannot_be_written_is_done_without(measured: list[str], tmp_path: Path) -> None:
    (tmp_path / "fakeoff").write_text("a file where the folder should be")
    survey()
    survey()
    assert len(measured) == 2


def test_a_gpu_is_measured_too(measured: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU number {index}")
    found = survey()
    assert measured == ["cpu", "cuda:0"]
    assert found.gpus == ("GPU number 0", "GPU number 1")
    assert found.gpu == Speeds(float32=2.0, bfloat16=1.0)


@pytest.mark.parametrize(
    ("flags", "features"),
    [
        ("fpu avx avx2 fma", ("AVX2",)),
        ("avx avx2 avx512f", ("AVX-512",)),
        ("avx avx2 avx512f avx512_bf16", ("AVX-512", "AVX-512 bfloat16")),
        ("avx2 avx512f avx512_bf16 amx_bf16", ("AVX-512", "AMX bfloat16")),
        ("fp asimd sve bf16", ("SVE", "bfloat16")),
        ("", ()),
    ],
)
def test_features_are_those_that_decide_the_speed(flags: str, features: tuple[str, ...]) -> None:
    assert machine._features(frozenset(flags.split())) == features


def test_a_machine_is_described_in_a_few_words(measured: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_processor", lambda: ("Some CPU", frozenset({"avx2"})))
    assert describe(survey()) == "Some CPU with AVX2"
    monkeypatch.setattr(machine, "_processor", lambda: ("Some CPU", frozenset[str]()))
    assert describe(survey()) == "Some CPU"
