"""Faces of the same latents through the rounds, from the stored pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fakeoff.arena.errors import StoreError
from fakeoff.arena.jobs.store import Store
from fakeoff.leaderboard.report.pictures import Album, Picture
from fakeoff.leaderboard.verdict.words import counted, listed
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.versions import Version

_FACES = 8


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The faces of one version.

    Attributes:
        label: ``pgan@1``.
        about: Where it comes from.
        faces: Pictures; the same place is the same latent, or the same pair of people, in every version.
    """

    label: str
    about: str
    faces: tuple[Picture, ...]

    @property
    def alt(self) -> str:
        """What they show, for who does not see them."""
        return f"{counted(len(self.faces), 'face')} of {self.label}, {self.about}"


@dataclass(frozen=True, kw_only=True)
class Faces:
    """A generator's faces through the rounds.

    Attributes:
        generator: Its name.
        stages: At least one; with one alone there is nothing to compare.
        photographs: Held-out real people, to compare with; empty where their pool is not there.
    """

    generator: str
    stages: tuple[Stage, ...]
    photographs: tuple[Picture, ...]


def find_faces(record: TournamentRecord, store: Store, album: Album) -> list[Faces]:
    """The faces of every generator of which there are any in the store, by name."""
    found = []
    for player in dict.fromkeys(version.player for version in record.versions if version.kind == "generator"):
        versions = sorted((v for v in record.versions if v.player == player), key=lambda v: v.round)
        stages = tuple(
            stage
            for version in versions
            if version.kind == "generator" and (stage := _stage(version, store, album)) is not None
        )
        if stages:
            resolution = versions[0].resolution
            found.append(Faces(generator=player, stages=stages, photographs=_reals(record, resolution, store, album)))
    return found


def _stage(version: Version, store: Store, album: Album) -> Stage | None:
    faces = _pictures(version.pools.get("test", ""), version.label, store, album, spread=False)
    if not faces:
        return None
    about = f"finetuned against {listed(version.targets)}" if version.targets else "as it came"
    return Stage(label=version.label, about=about, faces=faces)


def _reals(record: TournamentRecord, resolution: int, store: Store, album: Album) -> tuple[Picture, ...]:
    pool = record.real_pools.get(resolution, {}).get("test", "")
    return _pictures(pool, "held-out photographs", store, album, spread=True)


def _pictures(pool: str, whose: str, store: Store, album: Album, *, spread: bool) -> tuple[Picture, ...]:
    """The first images of a pool, or some from all over it; none where it is not there, or there is no room."""
    try:
        images = store.read(pool).arrays["images"] if pool else ()
    except (StoreError, KeyError):
        images = ()
    step = max(1, len(images) // _FACES) if spread else 1
    chosen: Sequence[Picture | None] = [
        album.take_face(image, alt=f"face {index} of {whose}")
        for index, image in enumerate(images[::step][:_FACES], start=1)
    ]
    return tuple(picture for picture in chosen if picture is not None)


__all__ = ["Faces", "Stage", "find_faces"]
