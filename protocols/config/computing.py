"""How a tournament is computed: device and precision, decided once for all of its jobs by what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fakeoff.arena.compute import DeviceName, Machine, Precision, Speeds, describe, faster
from fakeoff.arena.errors import ConfigError
from fakeoff.protocols.config import TournamentConfig

_MUCH_SLOWER = 2.0


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What was decided, and why.

    Attributes:
        config: The configuration with a device and a precision in the place of ``auto``.
        lines: For people: what was decided on which processor; then warnings.
    """

    config: TournamentConfig
    lines: tuple[str, ...]


def decide(config: TournamentConfig, machines: Sequence[Machine]) -> Decision:
    """Decides for all machines: the precision whose slowest machine is the faster.

    Args:
        config: ``compute.device`` and ``compute.precision`` may be ``auto``.
        machines: All that jobs may run on, the driver's first.

    Raises:
        ConfigError: A GPU is asked for where there is none.
    """
    device = _device(config, machines)
    used = [machine for machine in machines if device == "cpu" or machine.gpus]
    speeds = [of for machine in used if (of := _speeds(machine, device)) is not None]
    best = faster(speeds)
    wanted = config.compute.precision
    precision: Precision = best if wanted == "auto" else wanted
    lines = [_say(device, precision, used, speeds, chosen=wanted == "auto")]
    # On the machine where it costs most.
    slowdown = max(of.slowdown(precision) for of in speeds)
    if wanted != "auto" and precision != best and slowdown >= _MUCH_SLOWER:
        lines.append(
            f"warning: {precision} is {slowdown:.1f} times slower than {best} here, and compute.precision asks for it; "
            "to let it be chosen: --set compute.precision=auto"
        )
    compute = config.compute.model_copy(update={"device": device, "precision": precision})
    return Decision(config=config.model_copy(update={"compute": compute}), lines=tuple(lines))


def decided(config: TournamentConfig) -> tuple[DeviceName, Precision]:
    """The device and the precision of a configuration for which :func:`decide` has decided.

    Raises:
        ConfigError: Something is still ``auto``.
    """
    device, precision = config.compute.device, config.compute.precision
    if device == "auto" or precision == "auto":
        raise ConfigError(
            "compute.device and compute.precision are not decided yet: "
            "fakeoff.protocols.config.computing.decide(config, executor.machines()).config"
        )
    return device, precision


def _device(config: TournamentConfig, machines: Sequence[Machine]) -> DeviceName:
    wanted = config.compute.device
    if wanted == "cpu" or (wanted == "auto" and not machines[0].gpus):
        return "cpu"
    if not machines[0].gpus:  # jobs that read its files run on the driver's machine
        elsewhere = " (of the cluster, this machine itself needs one)" if len(machines) > 1 else ""
        raise ConfigError(
            f"compute.device is 'cuda', and there is no CUDA device on {machines[0].name}{elsewhere}; without one: "
            "--device cpu"
        )
    return "cuda"


def _speeds(machine: Machine, device: DeviceName) -> Speeds | None:
    return machine.cpu if device == "cpu" else machine.gpu


def _say(
    device: DeviceName, precision: Precision, machines: Sequence[Machine], speeds: Sequence[Speeds], *, chosen: bool
) -> str:
    why = f"measured: bfloat16 is {_compare([of.gain for of in speeds])} float32" if chosen else "as configured"
    where = machines[0].gpus[0] if device == "cuda" else describe(machines[0])
    several = f" and {len(machines) - 1} more" if len(machines) > 1 else ""
    count = f"{len(machines[0].gpus)} x " if device == "cuda" and len(machines[0].gpus) > 1 else ""
    return f"training in {precision} on {count}{where}{several} ({why})"


def _compare(gains: Sequence[float]) -> str:
    if max(gains) < 1:  # on all machines
        return f"{_spread([1 / gain for gain in gains])} times slower than"
    return f"{_spread(gains)} times as fast as"


def _spread(figures: Sequence[float]) -> str:
    least, most = f"{min(figures):.2g}", f"{max(figures):.2g}"
    return least if least == most else f"{least} to {most}"


__all__ = ["Decision", "decide", "decided"]
