"""Arms races: many rounds under several rules, what is forgotten in them, and what it helps to remember."""

from fakeoff.protocols.arms_race.protocol import ArmsRace

__all__ = ["ArmsRace"]
