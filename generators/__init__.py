"""The players who make fakes.

from fakeoff.generators import Generator, register

@register("my_gan")
class MyGAN(Generator):
    ...
"""

from fakeoff.arena.images.batch import Batch
from fakeoff.arena.players.abilities import abilities
from fakeoff.arena.players.interface import Player
from fakeoff.arena.players.plan import Batches, Plan
from fakeoff.arena.players.registry import Registry
from fakeoff.generators.interface import ExtraLoss, Generator, Wanted

players: Registry[Generator] = Registry("generator", interface=Generator, group="fakeoff.generators")
register = players.register

players.add("pgan", "fakeoff.generators.pgan:ProgressiveGAN", origin="fakeoff", version=3)

players.add("stylegan", "fakeoff.generators.stylegan.player:StyleGAN", origin="fakeoff", version=1)

players.add("stylegan2", "fakeoff.generators.stylegan2.player:StyleGAN2", origin="fakeoff", version=1)

players.add("mobilestylegan", "fakeoff.generators.mobilestylegan.player:MobileStyleGAN", origin="fakeoff", version=2)

players.add("glow", "fakeoff.generators.glow:Glow", origin="fakeoff", version=1)

players.add("images", "fakeoff.generators.images:Images", origin="fakeoff", version=1)

players.add("gmm", "fakeoff.generators.gmm:GaussianMixture", origin="fakeoff", version=1)

players.add("faceswap", "fakeoff.generators.faceswap:FaceSwap", origin="fakeoff", version=1)

players.add("face2face", "fakeoff.generators.face2face:Face2Face", origin="fakeoff", version=1)

players.add("deepfakes", "fakeoff.generators.deepfakes:Deepfakes", origin="fakeoff", version=1)

players.add("neural_textures", "fakeoff.generators.neural_textures:NeuralTextures", origin="fakeoff", version=1)

__all__ = ["Batch", "Batches", "ExtraLoss", "Generator", "Plan", "Player", "Wanted", "abilities", "players", "register"]
