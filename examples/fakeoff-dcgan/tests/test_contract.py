"""Fakeoff's own contract, kept by the network as it is built: it needs no weights."""

from typing import Any, ClassVar

from fakeoff.generators.contract import GeneratorContract


class TestDCGAN(GeneratorContract):
    player = "dcgan"
    parameters: ClassVar[dict[str, Any]] = {"weights": ""}
