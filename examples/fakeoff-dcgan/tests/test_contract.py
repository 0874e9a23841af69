"""Fakeoff's own contract, kept by the network as it is built: it needs no weights."""

from fakeoff.generators.contract import GeneratorContract


class TestDCGAN(GeneratorContract):
    player = "dcgan"
    parameters = {"weights": ""}
