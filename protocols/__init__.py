"""The rules: what is played. Attack, defend, evaluate, the tournament of them, and users' own experiments.

from fakeoff.protocols import Protocol, register

@register("my_experiment")
class MyExperiment(Protocol):
    def play(self, bench):
        ...
"""

from fakeoff.arena.players.registry import Registry
from fakeoff.protocols.interface import Protocol

protocols: Registry[Protocol] = Registry("protocol", interface=Protocol, group="fakeoff.protocols")
register = protocols.register

protocols.add("arms_race", "fakeoff.protocols.arms_race:ArmsRace", origin="fakeoff", version=1)
protocols.add("attack_defend", "fakeoff.protocols.attack_defend:AttackDefend", origin="fakeoff", version=1)
protocols.add("challenge", "fakeoff.protocols.challenge:Challenge", origin="fakeoff", version=1)
protocols.add("exaggerate", "fakeoff.protocols.exaggerate:Exaggerate", origin="fakeoff", version=1)
protocols.add("generalize", "fakeoff.protocols.generalize:Generalize", origin="fakeoff", version=1)
protocols.add("manipulations", "fakeoff.protocols.manipulations:Manipulations", origin="fakeoff", version=1)
protocols.add("newcomer", "fakeoff.protocols.challenge:Newcomer", origin="fakeoff", version=1)
protocols.add("pretrain", "fakeoff.protocols.pretrain:Pretrain", origin="fakeoff", version=1)
protocols.add("replicates", "fakeoff.protocols.replicates:Replicates", origin="fakeoff", version=1)
protocols.add("reproject", "fakeoff.protocols.reproject:Reproject", origin="fakeoff", version=1)
protocols.add("strength", "fakeoff.protocols.strength:Strength", origin="fakeoff", version=1)

__all__ = ["Protocol", "protocols", "register"]
