"""The players who make fakes.

from fakeoff.generators import Generator, register

@register("my_gan")
class MyGAN(Generator):
    ...
"""

from fakeoff.arena.plan import Plan
from fakeoff.arena.registry import Registry
from fakeoff.generators.interface import ExtraLoss, Generator, capabilities

players: Registry[Generator] = Registry("generator", interface=Generator, group="fakeoff.generators")
register = players.register

players.add("pgan", "fakeoff.generators.pgan:ProgressiveGAN", origin="fakeoff", version=3)

__all__ = ["ExtraLoss", "Generator", "Plan", "capabilities", "players", "register"]
