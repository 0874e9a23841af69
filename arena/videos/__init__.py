"""Videos of faces and of what was made of them, as folders of images that play.

Needs the extra ``video``: PyAV decodes. scikit-image's cascade finds faces.
"""

from fakeoff.arena.videos.encodings import Encoding, read_encoding
from fakeoff.arena.videos.extraction import extract
from fakeoff.arena.videos.game import Game, write_game
from fakeoff.arena.videos.layout import KINDS, Collection, Kind, Video, read_collection
from fakeoff.arena.videos.manifest import MANIFEST, Extracted, Extraction, held, read_extracted, some
from fakeoff.arena.videos.plan import Plan, plan_extraction
from fakeoff.arena.videos.splitting import assign_people, people_of_no_list, read_published

__all__ = [
    "KINDS",
    "MANIFEST",
    "Collection",
    "Encoding",
    "Extracted",
    "Extraction",
    "Game",
    "Kind",
    "Plan",
    "Video",
    "assign_people",
    "extract",
    "held",
    "people_of_no_list",
    "plan_extraction",
    "read_collection",
    "read_encoding",
    "read_extracted",
    "read_published",
    "some",
    "write_game",
]
