"""The players who make fakes.

from fakeoff.generators import Generator, register

@register("my_gan")
class MyGAN(Generator):
    ...
"""

from pathlib import Path

from fakeoff.arena.registry import Registry
from fakeoff.generators.interface import ExtraLoss, Generator, capabilities

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
"""Where the weights that ship lie."""

players: Registry[Generator] = Registry("generator")
register = players.register

players.add("pgan", "fakeoff.generators.pgan:ProgressiveGAN", origin="fakeoff", version=1)

__all__ = ["WEIGHTS_FOLDER", "ExtraLoss", "Generator", "capabilities", "players", "register"]
