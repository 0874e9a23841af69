"""Reprojection of photographs: a frozen generator's latents are sought whose images come closest to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fakeoff.arena import compute, images
from fakeoff.arena.images import Pixels
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.players.abilities import abilities
from fakeoff.arena.players.specs import load_arrays
from fakeoff.arena.seeds import global_draws
from fakeoff.arena.typed import as_record
from fakeoff.protocols.reproject.encoder import LatentEncoder
from fakeoff.protocols.reproject.looks import Seen, choose_look, join, neighbours
from fakeoff.protocols.reproject.reprojected import EXACT_LEVELS, ReprojectArguments, Reprojected, Start
from fakeoff.protocols.rules import referee
from fakeoff.protocols.rules.tensors import check_tensor

_PRIOR = 0.02
_DRAWN = 1000


def reproject(context: Context) -> Result:
    """Looks for the latents whose images come closest to photographs, by Adam, and passes the images into the arena.

    What is made small is the perceptual distance and the mean absolute difference of pixels, each of all photographs,
    and a prior: how far a latent's length is from that of latents as the generator draws them. The search begins at the
    generator's own encoding where it is invertible, else where the trained encoder says, or at the mean latent if that
    is nearer on val. What a generator draws besides latents is the same at each step.

    On val all steps are taken, and the first look is chosen from which three more bring no more than 1%. The other
    splits begin where val began and stop where val says: test decides nothing.

    Source: section 4.1 of the paper, after Bau et al., ICCV 2019: an encoder gives the start, then the latent is
    optimised under a pixel and a perceptual loss.

    Payload: :class:`ReprojectArguments`. Inputs: ``version``, ``real`` (the photographs at the generator's own
    resolution); ``encoder`` where one was trained; ``val``, the result on val, for all other splits.

    Returns:
        Record: :class:`Reprojected`. Arrays: the pool by the split's name, uint8 ``(n, h, w, 3)``, and beside it
        ``SPLIT_target`` and ``SPLIT_target_person``, int64 ``(n,)``; ``start``, ``early`` and ``end``, the images on
        the way at the generator's resolution; ``z``, float32 ``(n, latent_dim)``; ``distance_start``,
        ``distance_early``, ``distance_end`` and ``levels_end``, float32 ``(n,)``; ``distance_same`` and
        ``distance_other``, float32: from photographs to another of the same person, where there is one, and to one of
        another person.
    """
    return _Projection(context, context.arguments(ReprojectArguments)).result()


class _Projection:
    """The reprojection of one job."""

    def __init__(self, context: Context, arguments: ReprojectArguments) -> None:
        self._context, self._arguments = context, arguments
        self._generator = referee.build_generator(
            arguments.generator, version=context.inputs["version"], device=context.device
        )
        self._generator.eval().requires_grad_(False)
        self._distance = arguments.distance.open().to(context.device)
        self._photographs = self._shown(context.inputs["real"].arrays["images"])
        self._batches = torch.arange(len(self._photographs)).split(arguments.batch)
        with torch.no_grad():
            drawn = referee.latents(self._generator, _DRAWN, rng=context.rng("drawn latents"))
        self._mean, self._length = drawn.mean(0, keepdim=True), drawn.norm(dim=1).mean().clamp(min=1e-6)

    def result(self) -> Result:
        starts, means, last = self._starts(), dict[Start, float](), self._arguments.steps
        on_val = self._context.inputs.get("val")
        if on_val is None:
            at_start = {way: self._see(z) for way, z in starts.items()}
            means = {way: seen.look.distance for way, seen in at_start.items()}
            start = min(means, key=lambda way: means[way])
            last = 0 if at_start[start].look.levels < EXACT_LEVELS else last
        else:
            decided = on_val.figures(Reprojected)
            start, last = decided.start, decided.steps
        seen = self._search(starts[start], last=last)
        curve = tuple(one.look for one in seen)
        kept = seen[: choose_look(curve) + 1] if on_val is None else seen
        first, early, end = kept[0], kept[min(1, len(kept) - 1)], kept[-1]
        record = Reprojected(
            sizes={self._arguments.split: len(self._photographs)},
            start=start,
            starts=means,
            steps=end.steps,
            early=early.steps,
            curve=curve,
            is_exact=end.look.levels < EXACT_LEVELS,
        )
        looks = {"start": first, "early": early, "end": end}
        pixels = {name: self._pixels(one.z) for name, one in looks.items()}
        arrays = {
            **self._pool(pixels["end"]),
            **pixels,
            **{f"distance_{name}": one.distance.numpy() for name, one in looks.items()},
            "levels_end": end.levels.numpy(),
            "z": end.z.numpy(),
            **self._between_photographs(),
        }
        return Result(record=as_record(record), arrays=arrays)

    def _pool(self, pixels: Pixels) -> dict[str, npt.NDArray[np.generic]]:
        split = self._arguments.split
        return {
            split: images.to_arena(pixels, resolution=self._arguments.arena_resolution),
            f"{split}_target": np.arange(len(pixels), dtype=np.int64),
            f"{split}_target_person": np.asarray(self._arguments.persons, dtype=np.int64),
        }

    def _starts(self) -> dict[Start, Tensor]:
        """Latents to begin with, by way."""
        if "invertible" in abilities(type(self._generator)):
            return {"own encoder": self._encoded(self._generator.encode)}
        starts: dict[Start, Tensor] = {}
        if "encoder" in self._context.inputs:
            with global_draws(self._context.rng("weights that are replaced")):
                encoder = LatentEncoder(self._generator.resolution, self._generator.latent_dim)
            load_arrays(encoder, self._context.inputs["encoder"].arrays)
            starts["trained encoder"] = self._encoded(compute.channels_last(encoder.to(self._context.device)).eval())
        return {**starts, "mean latent": self._mean.expand(len(self._photographs), -1)}

    def _encoded(self, encode: Callable[[Tensor], Tensor]) -> Tensor:
        with torch.no_grad():
            found = torch.cat([encode(self._photographs[places]) for places in self._batches])
        shape = (len(self._photographs), self._generator.latent_dim)
        check_tensor(found, shape, what="encode", device=self._context.device)
        return found

    def _search(self, z: Tensor, *, last: int) -> list[Seen]:
        """What is seen every few steps up to the last one, of all photographs."""
        parts: list[list[Seen]] = []
        for index, places in enumerate(self._batches):
            parts.append(list(self._descend(z[places], self._photographs[places], batch=index, last=last)))
            now = f"{self._arguments.distance.name} {parts[-1][-1].look.distance:.3f}"
            self._context.report(index + 1, len(self._batches), now)
        return [join(of_all) for of_all in zip(*parts, strict=True)]

    def _descend(self, z: Tensor, photographs: Tensor, *, batch: int, last: int) -> Iterator[Seen]:
        arguments = self._arguments
        z = z.detach().clone().requires_grad_()
        optimiser = torch.optim.Adam([z], lr=arguments.rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(arguments.steps, 1))
        for step in range(last + 1):
            made = self._decode(z, batch)
            if step % arguments.check_every == 0 or step == last:
                yield self._seen(step, z, made, photographs)
            if step == last:
                return
            if arguments.colour == "grey":
                made = images.luminance(made)
            pixels = (made - photographs).abs().mean((1, 2, 3))
            prior = (z.norm(dim=1) / self._length - 1).square()
            loss = (self._distance(made, photographs) + pixels + _PRIOR * prior).sum()  # each has its own latent
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()

    def _see(self, z: Tensor) -> Seen:
        """What latents come to before any step."""
        with torch.no_grad():
            parts = [
                self._seen(0, z[places], self._decode(z[places], index), self._photographs[places])
                for index, places in enumerate(self._batches)
            ]
        return join(parts)

    def _seen(self, step: int, z: Tensor, made: Tensor, photographs: Tensor) -> Seen:
        """Images as they lie in pools, held against their photographs."""
        shown = self._shown(images.quantise(made.detach(), colour=self._arguments.colour))
        with torch.no_grad():
            distance = self._distance(shown, photographs).cpu()
        levels = ((shown - photographs).square().mean((1, 2, 3)).sqrt() * 255).cpu()
        return Seen(steps=step, z=z.detach().cpu().clone(), distance=distance, levels=levels)

    def _pixels(self, z: Tensor) -> Pixels:
        """The images of latents, uint8 ``(n, h, w, 3)``: the same as at any look."""
        z = compute.move(z, self._context.device)
        with torch.no_grad():
            made = [self._decode(z[places], index) for index, places in enumerate(self._batches)]
        return np.concatenate([images.quantise(part, colour=self._arguments.colour) for part in made])

    def _decode(self, z: Tensor, batch: int) -> Tensor:
        return referee.decode(self._generator, z, rng=self._context.rng(f"decode batch {batch}"))

    def _shown(self, pixels: Pixels) -> Tensor:
        return compute.image_layout(compute.move(images.to_tensor(pixels), self._context.device))

    def _between_photographs(self) -> dict[str, npt.NDArray[np.generic]]:
        """What distances mean: from photographs to the next one of the same person, and to the next person's."""
        same, other = neighbours(self._arguments.persons)
        return {"distance_same": self._of_pairs(same), "distance_other": self._of_pairs(other)}

    def _of_pairs(self, pairs: Sequence[tuple[int, int]]) -> npt.NDArray[np.generic]:
        found = [torch.zeros(0)]
        with torch.no_grad():
            for part in torch.tensor(pairs, dtype=torch.int64).view(-1, 2).split(self._arguments.batch):
                if len(part):
                    found.append(self._distance(*(self._photographs[part[:, side]] for side in (0, 1))).cpu())
        return torch.cat(found).numpy()


__all__ = ["reproject"]
