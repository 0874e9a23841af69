"""The contract that ships: what every player must keep to, for ``fakeoff plugins check`` and for a plugin's own tests.

A plugin's repository writes a few lines, and pytest runs every check:

    from fakeoff.generators.contract import GeneratorContract

    class TestMyGAN(GeneratorContract):
        player = "my_gan"                 # a registered name, a class path, or the class itself
        parameters = {"resolution": 16}   # where the defaults would take long

Nothing here imports pytest. A check that does not concern a player raises :class:`unittest.SkipTest`, which pytest
reports as skipped.
"""

from __future__ import annotations

import time
import unittest
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

from torch import nn

from fakeoff.arena import compute
from fakeoff.arena.contract.breaches import ContractBreach, asking
from fakeoff.arena.errors import one_line
from fakeoff.arena.players.registry import Registry
from fakeoff.arena.players.specs import PlayerSpec, load_weights, weights_hash, write_spec
from fakeoff.arena.seeds import canonical_json, sealed

PlayerT = TypeVar("PlayerT", bound=nn.Module)
ValueT = TypeVar("ValueT")

_WAITS_FOR = "needs a check that failed: "
_LAST = ("test_it_moves_to_another_device", "test_it_works_in_another_process")


class _Waits(unittest.SkipTest):
    """It builds on a check that failed, and says nothing until that one passes."""


class Contract(Generic[PlayerT]):
    """What the contracts of all kinds share: how a player is built, and what is kept between the tests of a class.

    A subclass without a ``player`` is abstract: pytest does not collect it.

    Attributes:
        player: A registered name, a class path (``package.module:Class``), or the class itself.
        parameters: Keyword arguments of its constructor; what is left out has its default.
        registry: The players of this kind.
        interface: What they derive from.
        settings: The names of other attributes that decide what the player is asked.
    """

    player: ClassVar[str | type[nn.Module]]
    parameters: ClassVar[Mapping[str, Any]] = {}
    registry: ClassVar[Registry[Any]]
    interface: ClassVar[type[nn.Module]]
    settings: ClassVar[tuple[str, ...]] = ()

    __test__: ClassVar[bool] = False
    _kept: ClassVar[dict[Any, Any]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.__test__ = getattr(cls, "player", None) is not None
        cls._kept = {}

    @classmethod
    def of(cls, player: str | type[nn.Module], parameters: Mapping[str, Any] | None = None, **more: Any) -> type[Any]:
        """The contract of one player.

        Args:
            player: See the class.
            parameters: See the class.
            **more: Other attributes of the contract, by name.
        """
        name = player if isinstance(player, str) else getattr(player, "__name__", repr(player))
        return type(f"{cls.__name__}[{name}]", (cls,), {"player": player, "parameters": parameters or {}, **more})

    @classmethod
    def checks(cls) -> tuple[str, ...]:
        """The names of all checks, those that take long at the end."""
        names = dict.fromkeys(
            name for above in reversed(cls.__mro__) for name in vars(above) if name.startswith("test_")
        )
        return tuple(sorted(names, key=lambda name: name in _LAST))

    @classmethod
    def teardown_class(cls) -> None:
        """Forgets what was kept; pytest calls it after the last test of a class."""
        cls._kept.clear()

    def kept(self, key: Any, make: Callable[[], ValueT]) -> ValueT:
        """Makes a value for the first test of this class that asks, and keeps it for the others."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]  # type: ignore[no-any-return]

    def needs(self, *tests: Callable[[], None]) -> None:
        """Skips the test that calls this where a test that it builds on is not passed.

        So a player that breaks one thing is told one thing.
        """
        for test in tests:
            if reason := self._objection(test):
                raise (_Waits if reason.startswith(_WAITS_FOR) else unittest.SkipTest)(reason)

    def passes(self, test: Callable[[], None]) -> bool:
        """Whether another test of this class is passed."""
        return not self._objection(test)

    def _objection(self, test: Callable[[], None]) -> str:
        def outcome() -> str:
            try:
                test()
            except ContractBreach:
                return f"{_WAITS_FOR}{title(test)}"
            except unittest.SkipTest as skip:
                return str(skip)
            return ""

        return self.kept(test.__name__, outcome)

    def spec(self) -> PlayerSpec:
        """The player's recipe, as a tournament would write it."""
        return self.kept("spec", self._write_spec)

    def _write_spec(self) -> PlayerSpec:
        __tracebackhide__ = True
        registry, name = self.registered()
        with asking(f"looking up {registry.kind} '{name}' and its parameters"):
            complete = registry.complete(name, self.parameters)
        try:
            canonical_json(complete)
        except (TypeError, ValueError) as error:
            raise ContractBreach(
                expected="parameters are plain values: text, numbers, true or false, lists and tables of them",
                came=one_line(error),
                mend="take what a configuration file can say, and make the object in __init__",
            ) from error
        with asking(f"writing the recipe of {registry.kind} '{name}'"):
            return write_spec(registry, name=name, plugin=name, parameters=self.parameters)

    def registered(self) -> tuple[Registry[Any], str]:
        """The registry that knows the player, and its name there; a class that is in none gets one of its own."""
        player = self.player
        if isinstance(player, str):
            return self.registry, player
        path = f"{player.__module__}:{getattr(player, '__qualname__', '')}"
        for entry in self.registry:
            if entry.target is player or entry.target == path:
                return self.registry, entry.name
        return self.kept("registry", self._own_registry)

    def _own_registry(self) -> tuple[Registry[Any], str]:
        __tracebackhide__ = True
        name = getattr(self.player, "__name__", type(self.player).__name__)
        alone: Registry[Any] = Registry(self.registry.kind, interface=self.interface)
        cls: Any = self.player
        with asking(f"player = {name}", mend=f"name a class that derives from {self.interface.__name__}"):
            alone.register(name)(cls)
        return alone, name

    def player_class(self) -> type[PlayerT]:
        """The player's class."""
        return self.kept("class", self._load)

    def _load(self) -> type[PlayerT]:
        __tracebackhide__ = True
        registry, name = self.registered()
        with asking(f"loading {registry.kind} '{name}'"):
            return registry.load(name)

    def build(self) -> PlayerT:
        """Builds the player as the arena does, with the weights that it comes with."""
        __tracebackhide__ = True
        spec, cls = self.spec(), self.player_class()
        given = ", ".join(f"{key}={value!r}" for key, value in self.parameters.items())
        # A constructor may draw from global state: the arena seeds it from the player's identity.
        with asking(f"{cls.__name__}({given})"), sealed("build", spec.identity()):
            player = cls(**{**spec.fingerprint.get("preset", {}), **spec.parameters, **spec.files})
        if spec.weights is not None:
            mend = f"give weights that fit these parameters, or none: weights = '' (from {spec.weights.name})"
            with asking("loading its weights", mend=mend):
                load_weights(player, spec.weights)
        return compute.channels_last(player)

    def test_it_is_built_the_same_each_time(self) -> None:
        """The same parameters build the same player."""
        one, other = (
            {name: weights_hash({name: value}) for name, value in self.build().state_dict().items()} for _ in range(2)
        )
        differs = sorted(name for name in one | other if one.get(name) != other.get(name))
        if differs:
            raise ContractBreach(
                expected="the same parameters build the same weights: they are part of a player's identity",
                came=f"'{differs[0]}' is another each time" + (f", and {len(differs) - 1} more" if differs[1:] else ""),
                mend="draw initial weights from torch's global generator, which the arena seeds, or from "
                "torch.Generator().manual_seed(init_seed); never from the clock or from os.urandom",
            )


@dataclass(frozen=True, kw_only=True)
class Check:
    """How one check of a contract went.

    Attributes:
        name: Of the test.
        title: What it asks for, in words.
        state: How it went.
        expected: What the contract asks for, where it failed.
        came: What the player did instead.
        mend: What to change.
        reason: Why it was skipped.
        waits: Whether it was skipped for another check that failed.
        seconds: It took.
    """

    name: str
    title: str
    state: Literal["passed", "failed", "skipped"]
    expected: str = ""
    came: str = ""
    mend: str = ""
    reason: str = ""
    waits: bool = False
    seconds: float


def run_contract(contract: type[Contract[Any]], *, only: Collection[str] = ()) -> Iterator[Check]:
    """Runs every check of a contract; one that fails does not stop the others.

    Args:
        contract: Of one player, see :meth:`Contract.of`.
        only: The names of the checks to run; all of them where it is empty.
    """
    try:
        for name in contract.checks():
            if not only or name in only:
                yield _run(contract, name)
    finally:
        contract.teardown_class()


def _run(contract: type[Contract[Any]], name: str) -> Check:
    test = getattr(contract(), name)
    started = time.perf_counter()
    said: dict[str, Any] = {}
    state: Literal["passed", "failed", "skipped"] = "failed"
    try:
        test()
        state = "passed"
    except unittest.SkipTest as skip:
        state, said = "skipped", {"reason": str(skip), "waits": isinstance(skip, _Waits)}
    except ContractBreach as breach:
        said = {"expected": breach.expected, "came": breach.came, "mend": breach.mend}
    except AssertionError as error:  # of a test that a plugin's repository added
        said = {"expected": title(test), "came": one_line(error), "mend": "see the test"}
    return Check(name=name, title=title(test), state=state, seconds=time.perf_counter() - started, **said)


def title(test: Callable[..., None]) -> str:
    """What a test asks for: the first line of its docstring."""
    return (test.__doc__ or test.__name__).strip().splitlines()[0].removesuffix(".")


__all__ = ["Check", "Contract", "ContractBreach", "run_contract", "title"]
