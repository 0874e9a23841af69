"""Videos of faces and of what was made of them, as folders of images that play.

Needs the extra ``video``: PyAV decodes. scikit-image's cascade finds faces.
"""

from fakeoff.arena.videos.extraction import Extracted, Extraction, extract
from fakeoff.arena.videos.game import write_game
from fakeoff.arena.videos.layout import KINDS, Collection, Kind, Video, read_collection
from fakeoff.arena.videos.splitting import assign_people, read_published

__all__ = [
    "KINDS",
    "Collection",
    "Extracted",
    "Extraction",
    "Kind",
    "Video",
    "assign_people",
    "extract",
    "read_collection",
    "read_published",
    "write_game",
]
