"""Exaggeration: one shift of all latents that makes a generator's fakes easier to detect (Eq. 3 and Fig. 5)."""

from fakeoff.protocols.exaggerate.protocol import Exaggerate

__all__ = ["Exaggerate"]
