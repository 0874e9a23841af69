"""The frame of manipulators that learn: what a training is, and how an attack reaches the photographs they make."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.arena.images.batch import Batch
from fakeoff.arena.players.plan import Plan
from fakeoff.generators.gan.training import follow, rates_of, restore, start_from_average, without_current
from fakeoff.generators.interface import ExtraLoss
from fakeoff.generators.manipulation.faces import Faces
from fakeoff.generators.manipulation.layers import PatchCritic, edge_loss
from fakeoff.generators.manipulation.player import FaceManipulator

_AVERAGE_RAMP = 0.05  # of what a session has seen, Karras et al., CVPR 2020
_BETAS = (0.5, 0.999)
_CRITIC_WIDTH = 32

N = TypeVar("N", bound=nn.Module)
L = TypeVar("L")


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What a network drew of photographs, in training.

    Attributes:
        made: float32 ``(n, 1, h, w)`` in [0, 1], grey.
        wanted: Likewise: what it should be.
        weights: float32 ``(n, 1, h, w)`` or ``(1, 1, h, w)``, at least 0: what pixels count.
        cost: A scalar that the network pays besides.
        measured: What was measured on the way.
    """

    made: Tensor
    wanted: Tensor
    weights: Tensor
    cost: Tensor | None = None
    measured: dict[str, float] = field(default_factory=dict)


class LearnedManipulator(FaceManipulator, Generic[N, L]):
    """A manipulator with a network that learns to draw people as they are, and then draws them as they are not.

    It learns from single photographs and from pairs of the same person: what it draws is to be near to a photograph in
    its pixels and edges, and a critic that learns along is to take it for one (hinge losses). An attack adds to that:
    in each step it makes fakes of the batch, of pairs of different persons, as :meth:`change` does, with a gradient.

    All is computed in float32, whatever the arena trains in: landmarks in bfloat16 would be a pixel off.

    Args:
        resolution: Height and width in pixels.
        network: What learns.
        rng: Of the critic's initial weights; it is shown grey images with the weights of their pixels beside.
        critic_weight: Of the critic's word beside how near a drawing is.
        learning_rate: Adam's.
        attack_rate: Adam's in an attack.
        average_images: Half-life of the moving average of weights, in images.
    """

    def __init__(
        self,
        *,
        resolution: int,
        network: N,
        rng: torch.Generator,
        critic_weight: float,
        learning_rate: float,
        attack_rate: float,
        average_images: float,
    ) -> None:
        super().__init__(resolution=resolution)
        self.network, self.critic = network, PatchCritic(2, width=_CRITIC_WIDTH, rng=rng)
        self.critic_weight = critic_weight
        self.average = copy.deepcopy(network).requires_grad_(False)
        self.learning_rate, self.attack_rate = learning_rate, attack_rate
        self.average_images = average_images
        self.register_buffer("images_seen", torch.zeros((), dtype=torch.int64))
        self.register_load_state_dict_pre_hook(_complete)  # type: ignore[no-untyped-call]
        self._optimisers: tuple[torch.optim.Adam, torch.optim.Adam] | None = None
        self._session_images = 0

    images_seen: Tensor

    @abstractmethod
    def study(self, images: Tensor, faces: Faces) -> L:
        """What there is to learn from in photographs, computed once; :meth:`learn` is shown it.

        Args:
            images: float32 ``(n, 3, resolution, resolution)``, RGB in [0, 1].
            faces: What is known of the face in each.
        """

    @abstractmethod
    def portray(self, network: N, lesson: L, partners: Tensor, *, rng: torch.Generator) -> Drawing:
        """Draws photographs that are there, to be compared with them.

        Args:
            network: Who draws.
            lesson: Of a batch.
            partners: int64 ``(n,)``: for each photograph the place of another one of the same person; its own where
                there is none.
            rng: A CPU generator, the only source of randomness.
        """

    @abstractmethod
    def draw(self, network: N, reals: Batch, faces: Faces, sources: Tensor, targets: Tensor) -> Batch:
        """Makes fakes with a network, differentiably; as :meth:`change`."""

    def change(self, reals: Batch, faces: Faces, sources: Tensor, targets: Tensor) -> Batch:
        return self.draw(self.average, reals, faces, sources, targets)

    def start(self, plan: Plan) -> None:
        rate = self.attack_rate if plan.purpose == "attack" else self.learning_rate
        self._start_session(plan.rate if plan.rate is not None else rate)

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        with torch.autocast(batch.images.device.type, enabled=False):
            images = batch.images.float()
            faces = self.finder(images)
            person = torch.arange(len(batch)) if batch.person is None else batch.person.cpu()
            partners = draw_others(person, same=True, rng=rng).to(images.device)
            loss, measured = self._objective(self.study(images, faces), partners, rng=rng)
            if extra_loss is not None:
                sources = draw_others(person, same=False, rng=rng).to(images.device)
                targets = torch.arange(len(batch), device=images.device)
                # In training all are of one split.
                split = None if batch.person is None else torch.zeros_like(batch.person)
                reals = Batch(images=images, person=batch.person, split=split)
                extra = extra_loss(self.draw(self.network, reals, faces, sources, targets).images)
                measured["extra_loss"] = extra.item()
                loss = loss + extra
            return self._step(loss, len(batch), measured)

    def learn(self, lesson: L, partners: Tensor, *, images: int, rng: torch.Generator) -> dict[str, float]:
        """A step of :meth:`train_step` on what was computed before: a long training looks for each face once.

        Args:
            lesson: Of a batch: :meth:`study`.
            partners: As for :meth:`portray`.
            images: How many there are.
            rng: A CPU generator, the only source of randomness.

        Returns:
            What the step measured.
        """
        loss, measured = self._objective(lesson, partners, rng=rng)
        return self._step(loss, images, measured)

    @torch.no_grad()
    def drawn(self, lesson: L, partners: Tensor, *, rng: torch.Generator) -> float:
        """How far the averaged network's drawings are from photographs that are there; 0 is exact.

        Args:
            lesson: Of these: :meth:`study`.
            partners: As for :meth:`portray`.
            rng: A CPU generator, the only source of randomness.
        """
        drawing = self.portray(self.average, lesson, partners, rng=rng)
        return edge_loss(drawing.made, drawing.wanted, drawing.weights).item()

    def shipped_state(self) -> dict[str, Tensor]:
        """The state dict to ship: without the parser, and without the weights that the average stands for; float16."""
        own = {name: value for name, value in self.state_dict().items() if not name.startswith("finder.")}
        return without_current(own, current="network.")

    def training_state(self) -> dict[str, Any]:
        """What a resumed training needs beyond the state dict."""
        optimisers = [optimiser.state_dict() for optimiser in self._session()]
        return {"optimisers": optimisers, "session_images": self._session_images}

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        """Restores what :meth:`training_state` returned; load the state dict first.

        Rates are those of the session that was started, or the player's own.
        """
        rate = self.learning_rate if self._optimisers is None else rates_of(self._optimisers)[0]
        self._optimisers = self._adam(rate)
        restore(self._optimisers, state["optimisers"], [rate] * 2)
        self._session_images = state["session_images"]

    def _objective(self, lesson: L, partners: Tensor, *, rng: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """A step of the critic, and the network's own loss."""
        _, critic_optimiser = self._session()  # before anything is drawn: a session begins with the averaged weights
        drawing = self.portray(self.network, lesson, partners, rng=rng)
        weights = drawing.weights.expand_as(drawing.made)
        shown = (torch.cat([each, weights.clamp(max=1)], 1) for each in (drawing.wanted, drawing.made.detach()))
        real, fake = self.critic(torch.cat(list(shown))).chunk(2)
        loss = F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        critic_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        critic_optimiser.step()
        near = edge_loss(drawing.made, drawing.wanted, drawing.weights)
        judged = -self.critic(torch.cat([drawing.made, weights.clamp(max=1)], 1)).mean()
        measured = {"drawn": near.item(), "critic": loss.item(), **drawing.measured}
        own = near + self.critic_weight * judged
        return own if drawing.cost is None else own + drawing.cost, measured

    def _step(self, loss: Tensor, images: int, measured: dict[str, float]) -> dict[str, float]:
        optimiser, _ = self._session()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        self.images_seen += images
        self._session_images += images
        half_life = min(self.average_images, self._session_images * _AVERAGE_RAMP)
        follow(self.average, self.network, images=images, half_life=half_life)
        return measured

    def _session(self) -> tuple[torch.optim.Adam, torch.optim.Adam]:
        if self._optimisers is None:
            self._start_session(self.learning_rate)
        assert self._optimisers is not None
        return self._optimisers

    def _start_session(self, rate: float) -> None:
        # A version is its averaged weights, so that is where training goes on from.
        self.network.load_state_dict(self.average.state_dict())
        self._optimisers = self._adam(rate)
        self._session_images = 0

    def _adam(self, rate: float) -> tuple[torch.optim.Adam, torch.optim.Adam]:
        """The network's and the critic's."""
        network, critic = (
            torch.optim.Adam(module.parameters(), lr=rate, betas=_BETAS) for module in (self.network, self.critic)
        )
        return network, critic


def draw_others(person: Tensor, *, same: bool, rng: torch.Generator) -> Tensor:
    """For each photograph another one, of the same person or of a different one.

    Args:
        person: int64 ``(n,)``: who is on each, on the CPU.
        same: Of the same person, or else of another.
        rng: A CPU generator, the only source of randomness.

    Returns:
        int64 ``(n,)``; where there is none, its own place.
    """
    alike = person[:, None] == person[None]
    usable = alike & ~torch.eye(len(person), dtype=torch.bool) if same else ~alike
    drawn = torch.rand(usable.shape, generator=rng).masked_fill(~usable, -1)
    return torch.where(usable.any(1), drawn.argmax(1), torch.arange(len(person)))


def _complete(module: nn.Module, state: dict[str, Any], *_: Any) -> None:
    """Fills in what a file of weights leaves out: the parser, and the current weights where it has their average."""
    start_from_average(state, current="network.")
    if not any(name.startswith("finder.") for name in state):
        state |= {name: value for name, value in module.state_dict().items() if name.startswith("finder.")}


__all__ = ["Drawing", "LearnedManipulator", "draw_others"]
