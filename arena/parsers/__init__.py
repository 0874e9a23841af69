"""Who says where in a face a pixel lies.

from fakeoff.arena.parsers import FaceParser, register

@register("my_parser")
class MyParser(FaceParser):
    ...
"""

from fakeoff.arena.parsers.interface import BACKGROUND, LANDMARKS, PARTS, FaceParser, capabilities
from fakeoff.arena.players.registry import Registry

parsers: Registry[FaceParser] = Registry("parser", interface=FaceParser, group="fakeoff.parsers")
register = parsers.register

parsers.add("face_unet", "fakeoff.arena.parsers.face_unet:FaceUNet", origin="fakeoff", version=1)
parsers.add("bisenet", "fakeoff.arena.parsers.bisenet:BiSeNet", origin="fakeoff", version=1)

__all__ = [
    "BACKGROUND",
    "LANDMARKS",
    "PARTS",
    "FaceParser",
    "capabilities",
    "parsers",
    "register",
]
