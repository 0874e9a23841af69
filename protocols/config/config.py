"""The configuration of a tournament: typed, every field with a unit and a default."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from fakeoff.arena.errors import ConfigError, suggestion

NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.\-]{0,63}$"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _take_numbers_alone(cls, value: Any, info: ValidationInfo) -> Any:
        """Where a number is asked for, neither text nor true and false stand for one, as pydantic would have it."""
        asked = cls.model_fields[info.field_name or ""].annotation
        if asked in (int, float) and isinstance(value, bool | str):
            raise ValueError(f"this is a number, not {value!r}")
        return value


class Player(_Section):
    """Who plays."""

    plugin: Annotated[str, Field(description="the registered name (see: fakeoff plugins), or package.module:Class")]
    name: Annotated[str, Field(description="what it is called here; the plugin's name by default", pattern=NAME)] = ""
    parameters: Annotated[dict[str, Any], Field(description="keyword arguments of its constructor")] = {}

    def __init__(self, /, **data: Any) -> None:
        super().__init__(**{**data, "name": data.get("name") or _name_of(str(data.get("plugin", "")))})


def _name_of(plugin: str) -> str:
    """What a player is called where nobody says: the last part, which of a class path is its class.

    It is always a name: of a plugin that is none, whoever looks for it says more than that its letters are odd.
    """
    last = plugin.rpartition(":")[2] or plugin
    return re.sub(r"^[^A-Za-z0-9_]|[^A-Za-z0-9_.\-]", "_", last)[:64] or "unnamed"


_ADDED_LATER = ("group", "table", "split_folders")
"""Settings of reals that results of before know nothing of."""


class Reals(_Section):
    """Where real photographs come from."""

    source: Annotated[
        str, Field(description="'orl' (embedded), 'celeba-999' (see: fakeoff assets list) or a folder of images")
    ] = "orl"
    split_by: Annotated[
        Literal["folder", "file"],
        Field(description="what train, val and test never share: a person, who is a 'folder', or a 'file'"),
    ] = "folder"
    group: Annotated[
        str, Field(description="who is on an image: a regular expression for its name, '(.+)_[0-9]+'; '' asks folders")
    ] = ""
    table: Annotated[
        str, Field(description="a CSV file with columns path and group, split or label, of images in the folder")
    ] = ""
    split_folders: Annotated[
        Literal["respect", "ignore"], Field(description="what folders called train, val and test are: the split or not")
    ] = "respect"
    skip_corrupt: Annotated[bool, Field(description="leave damaged images out instead of refusing the folder")] = False

    def record(self, *, source_name: str) -> dict[str, Any]:
        """What is kept of it with results: names in the place of paths, and what was added later only where it is set.

        Args:
            source_name: Of the photographs.
        """
        default = {name for name in _ADDED_LATER if getattr(self, name) == type(self).model_fields[name].default}
        kept = self.model_dump(mode="json", exclude=default)
        return kept | {"source": source_name} | ({"table": Path(self.table).name} if self.table else {})


class Arena(_Section):
    """What detectors see."""

    resolution: Annotated[int, Field(description="pixels a side", ge=16, le=1024)] = 64
    colour: Annotated[
        Literal["auto", "grey", "rgb"], Field(description="'auto' is grey where every real photograph is")
    ] = "auto"


class Pools(_Section):
    """How many fakes each generator version shows; the reals are all there are."""

    train_fakes: Annotated[int, Field(description="images, for defence", ge=16)] = 560
    val_fakes: Annotated[int, Field(description="images, for early stopping and the threshold", ge=8)] = 80
    test_fakes: Annotated[int, Field(description="images, for the score", ge=8)] = 160


def _chain(text: str) -> str:
    """Checks that a chain of operations can be read."""
    if text:
        from fakeoff.arena.images.postprocessing import parse_operations  # brings PyTorch

        parse_operations(text)
    return text


def _listed(given: Any) -> Any:
    """What is typed as one text, with commas."""
    return tuple(given.split(",") if given else ()) if isinstance(given, str) else given


def _chains(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Checks chains of operations, of which each is one at least and none comes twice."""
    chains = tuple("".join(text.split()) for text in texts)
    for chain in chains:
        if not chain:
            raise ValueError("'' is nothing that is done to pictures; to score none of them again: []")
        if chains.count(chain) > 1:
            raise ValueError(f"'{chain}' is named twice")
        _chain(chain)
    return chains


class Attack(_Section):
    """How generators are finetuned against a frozen detector (Eq. 4)."""

    target: Annotated[
        str, Field(description="'champion' (of the last round: the best on val), 'all', or a detector's name")
    ] = "champion"
    weight: Annotated[
        float, Field(description="of the evasion loss beside the generator's own loss", ge=0, allow_inf_nan=False)
    ] = 0.2
    steps: Annotated[int, Field(description="generator steps at most", ge=1)] = 150
    batch: Annotated[int, Field(description="images a step", ge=2)] = 16
    rate: Annotated[
        float, Field(description="learning rate; 0 is each generator's own for attacks", ge=0, allow_inf_nan=False)
    ] = 0.0
    until: Annotated[
        float,
        Field(description="an attack ends when this share of fakes of its own passes as real; 1 is never", gt=0, le=1),
    ] = 0.85
    look_every: Annotated[int, Field(description="steps between looks at how many pass", ge=1)] = 10
    through: Annotated[
        str,
        Field(description="what pictures go through before the detector sees them in an attack: 'resize:0.5+jpeg:75'"),
        AfterValidator(_chain),
    ] = ""

    @model_validator(mode="before")
    @classmethod
    def _one_rate(cls, data: Any) -> Any:
        old = {"generator_lr", "critic_lr"}
        if not isinstance(data, Mapping) or not old & data.keys():
            return data
        # Each home of before 0.5 has both, and as they were by default they are the same.
        if "rate" in data or not old <= data.keys() or data["generator_lr"] != data["critic_lr"]:
            raise ValueError("'generator_lr' and 'critic_lr' are one setting, 'rate', since 0.5; give that instead")
        return {**{key: value for key, value in data.items() if key not in old}, "rate": data["critic_lr"]}


class Defend(_Section):
    """How new detectors are trained."""

    history: Annotated[
        Literal["all", "latest"], Field(description="on the fakes of 'all' rounds so far, or of the 'latest'")
    ] = "all"
    steps: Annotated[int, Field(description="steps at most", ge=1)] = 600
    batch: Annotated[int, Field(description="images a step, half of them real", ge=4, multiple_of=2)] = 32
    rate: Annotated[float, Field(description="learning rate; 0 is each detector's own", ge=0, allow_inf_nan=False)] = (
        0.0
    )
    check_every: Annotated[int, Field(description="steps between looks at val", ge=1)] = 20
    patience: Annotated[int, Field(description="looks without a better val accuracy before stopping", ge=1)] = 16
    perfect: Annotated[
        Literal["images", "patches"],
        Field(description="training stops at once when all 'images' of val are judged rightly, or all their 'patches'"),
    ] = "images"
    adversarial: Annotated[
        float,
        Field(description="share of a batch's fakes that are finetuned against the detector as it learns", ge=0, le=1),
    ] = 0.0
    adversarial_every: Annotated[int, Field(description="steps between such finetunings", ge=1)] = 20
    adversarial_steps: Annotated[int, Field(description="generator steps of each", ge=1)] = 10


class Score(_Section):
    """How sure the figures are."""

    resamples: Annotated[int, Field(description="bootstrap resamples of the test images", ge=100)] = 1000
    confidence: Annotated[float, Field(description="of the intervals, as a share", gt=0.5, lt=1)] = 0.95
    scored_again: Annotated[
        int,
        Field(description="images of each match, scored again in another order, alone and in a fresh process", ge=0),
    ] = 16
    quality_gate: Annotated[
        bool, Field(description="whether a generator of noise, of one face or of copies is left without a place")
    ] = True
    least_auc: Annotated[
        float,
        Field(
            description="mean AUC in round 0 that a detector needs to take a place; 0 ranks all",
            ge=0,
            le=1,
        ),
    ] = 0.8
    polarity_check: Annotated[
        bool, Field(description="whether a detector that cannot learn and has real and fake swapped on val is refused")
    ] = True
    through: Annotated[
        tuple[str, ...],
        Field(description="each match is scored again behind each of these, such as 'resize:0.5+jpeg:75'; [] is off"),
        BeforeValidator(_listed),
        AfterValidator(_chains),
    ] = ("jpeg:75", "resize:0.5", "blur:0.5")


class Search(_Section):
    """How detectors are attacked without their gradient: by looking through generators' latents."""

    when: Annotated[
        Literal["no_gradient", "always", "never"],
        Field(description="only where 'no_gradient' flows, 'always' (beside every attack, too) or 'never'"),
    ] = "no_gradient"
    queries: Annotated[int, Field(description="images of each fake that the detector is shown", ge=2)] = 64
    fakes: Annotated[int, Field(description="latents, each searched by itself", ge=8)] = 32


class PlayedProtocol(_Section):
    """What is played."""

    plugin: Annotated[
        str, Field(description="'attack_defend', 'pretrain', another of: fakeoff plugins, or package.module:Class")
    ] = "attack_defend"
    parameters: Annotated[dict[str, Any], Field(description="keyword arguments of its constructor")] = {}
    name: Annotated[str, Field(description="of the experiment and its files; the plugin's by default")] = ""


class Parts(_Section):
    """Where in the face the fight is."""

    parser: Annotated[str, Field(description="who labels the parts of the face; '' leaves out parts and heatmaps")] = (
        "face_unet"
    )
    random_patches: Annotated[
        int, Field(description="patches drawn from each image for comparison with the most predictive one", ge=1)
    ] = 16
    parameters: Annotated[dict[str, Any], Field(description="keyword arguments of the parser's constructor")] = {}


class Audit(_Section):
    """Whether reals and fakes could be told apart by their format alone."""

    on_leak: Annotated[
        Literal["refuse", "report", "skip"],
        Field(description="'refuse' to play, 'report' it and play on, or 'skip' the audit"),
    ] = "refuse"


LIMITS = ("job_seconds", "job_gigabytes", "job_gpus", "checkpoint_seconds")
"""What a job may take, and how often it is kept, under ``compute``: no figure depends on it, and it may change."""


class Compute(_Section):
    """How jobs are computed. Device, precision and threads are part of their identity: they decide how sums round."""

    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        Field(description="'cuda' is an NVIDIA GPU; 'auto' takes one where there is one"),
    ] = "auto"
    precision: Annotated[
        Literal["auto", "bfloat16", "float32"],
        Field(description="of training; 'auto' is what is measured to be faster; scoring is float32"),
    ] = "auto"
    attack_threads: Annotated[int, Field(description="threads of an attack", ge=1)] = 2
    defend_threads: Annotated[int, Field(description="threads of a detector's training", ge=1)] = 1
    job_seconds: Annotated[
        float,
        Field(
            description="of CPU time a job may compute; its player forfeits then; 0 is no limit",
            ge=0,
            allow_inf_nan=False,
        ),
    ] = 3600.0
    job_gigabytes: Annotated[
        float,
        Field(description="of memory a job may take; 0 is its share of the machine's", ge=0, allow_inf_nan=False),
    ] = 0.0
    job_gpus: Annotated[
        float, Field(description="share of a GPU that a job on it takes: at 0.25, four jobs share one", gt=0, le=1)
    ] = 0.25
    checkpoint_seconds: Annotated[
        float,
        Field(
            description="between the checkpoints that a killed attack or training goes on from; 0 keeps none",
            ge=0,
            allow_inf_nan=False,
        ),
    ] = 30.0


class TournamentConfig(_Section):
    """A tournament."""

    rounds: Annotated[int, Field(description="attack-defend rounds after round 0", ge=0, le=1000)] = 2
    seed: Annotated[int, Field(description="of everything random", ge=0)] = 0
    protocol: PlayedProtocol = PlayedProtocol()
    generators: Annotated[tuple[Player, ...], Field(min_length=1)] = (Player(plugin="pgan"),)
    detectors: Annotated[tuple[Player, ...], Field(min_length=1)] = (
        Player(plugin="xception_block1"),
        Player(plugin="resnet18_layer1"),
    )
    reals: Reals = Reals()
    arena: Arena = Arena()
    pools: Pools = Pools()
    attack: Attack = Attack()
    defend: Defend = Defend()
    score: Score = Score()
    search: Search = Search()
    parts: Parts = Parts()
    audit: Audit = Audit()
    compute: Compute = Compute()

    @field_validator("generators", "detectors")
    @classmethod
    def _names_differ(cls, players: tuple[Player, ...]) -> tuple[Player, ...]:
        names = [player.name for player in players]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two players are called '{name}'; give one of them a 'name' of its own")
        return players


def parse_config(data: Mapping[str, Any], *, where: str) -> TournamentConfig:
    """Checks a configuration.

    Args:
        data: As read from TOML.
        where: Its file, for messages.

    Raises:
        ConfigError: With the first thing that is wrong, where it is, and what may be meant.
    """
    try:
        return TournamentConfig(**data)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_explain(error)}") from error


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    location = list(first["loc"])
    path = ".".join(str(part) for part in location)
    if first["type"] == "extra_forbidden":
        known = _fields_at(location[:-1])
        return (
            f"unknown key '{path}'{suggestion(str(location[-1]), known)} "
            f"Known here: {', '.join(known)}. See: fakeoff run --print-config"
        )
    message = first["msg"].removeprefix("Value error, ")
    return f"'{path}': {message}, not {first['input']!r}" if first["type"] != "value_error" else f"'{path}': {message}"


def _fields_at(location: list[Any]) -> list[str]:
    model: Any = TournamentConfig
    for part in location:
        if isinstance(part, str):
            annotation = model.model_fields[part].annotation
            model = next((a for a in get_args(annotation) if isinstance(a, type)), annotation)
    return list(model.model_fields)
