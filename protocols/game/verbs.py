"""The verbs of the game: who enters, attacks and defends, and what is measured of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from fakeoff.arena.errors import PluginError, suggestion
from fakeoff.arena.images import Pixels
from fakeoff.arena.images.reals import RealSource
from fakeoff.arena.jobs.executors import Executor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.abilities import Ability
from fakeoff.arena.players.provisions import PluginFile
from fakeoff.arena.players.specs import Identity, PlayerSpec
from fakeoff.protocols.config import TournamentConfig, merge, parse_config
from fakeoff.protocols.game import following
from fakeoff.protocols.game.engine import Engine, Slot
from fakeoff.protocols.game.line import Line, check_kind, settled
from fakeoff.protocols.game.moves import Moves
from fakeoff.protocols.game.observer import GameObserver
from fakeoff.protocols.game.recipes import describe_reals, judges_patches, open_desk, refuse_grey, reseed, warn
from fakeoff.protocols.game.tally import Tally
from fakeoff.protocols.game.targets import check_target, choose_targets
from fakeoff.protocols.measures import Audit
from fakeoff.protocols.record.versions import Forfeit, Kind, Trained, Version
from fakeoff.protocols.rules.desk import Desk
from fakeoff.protocols.rules.extent import Extent, extent_of
from fakeoff.protocols.rules.pools import ATTACK_REALS, write_real_pools


class Verbs:
    """What every protocol may do with the players; see :class:`fakeoff.protocols.game.bench.Bench`.

    Attributes:
        config: What was asked for.
        source: The reals.
        store: Where results are kept.
        data: What the reals are: hashes, counts, colour and split.
        seed: Of everything random. Every own job's key holds it.
        generators: Their names.
        detectors: Their names.
        warnings: What to say before anything is played, one line each.
        code: By kind and name: what decides a player's behaviour besides its parameters.

    Raises:
        ConfigError: The attack's target is no detector of this game.
        PluginError: A player is unknown or takes other parameters.
    """

    _engine_class: type[Engine] = Engine
    _moves_class: type[Moves] = Moves

    def __init__(
        self,
        config: TournamentConfig,
        *,
        spec: PlayerSpec,
        source: RealSource,
        store: Store,
        executor: Executor,
        observer: GameObserver,
        what: str = "",
        engine: Engine | None = None,
    ) -> None:
        self.config, self.source, self.store = config, source, store
        self._spec, self._observer = spec, observer
        self._desk = open_desk(config, source=source, what=what)
        self.seed = config.seed
        self.data = describe_reals(source, colour=self._desk.colour)
        self.generators, self.detectors = tuple(self._desk.generators), tuple(self._desk.detectors)
        players = {"generators": self._desk.generators, "detectors": self._desk.detectors}
        self.code = {
            kind: {name: dict(spec.fingerprint) for name, spec in specs.items()} for kind, specs in players.items()
        }
        self.warnings = warn(self._desk)
        check_target(config.attack.target, {name: spec.plugin for name, spec in self._desk.detectors.items()})
        self._tally = Tally(
            config=config, source_name=source.name, data=self.data, test_people=tuple(source.persons("test"))
        )
        # Who waits for anything of one bench lets those that share its engine go on.
        self._engine = engine or self._engine_class(store=store, executor=executor, observer=observer)
        self._moves = self._moves_class(
            self._desk,
            engine=self._engine,
            store=store,
            tally=self._tally,
            protocol=spec.name,
            keep_figures=not executor.here,
        )
        self._of_round: list[Slot[Any]] = []
        self._next_round = 1

    @property
    def extent(self) -> Extent:
        """How much of the game's pools is compared as whole sets, for jobs that measure distances."""
        return extent_of(self._desk)

    @property
    def spec(self) -> PlayerSpec:
        """The protocol's recipe."""
        return self._spec

    @property
    def plugin_files(self) -> tuple[PluginFile, ...]:
        """The users' own files that players, parser and protocol come from."""
        parser = [self._desk.parser] if self._desk.parser is not None else []
        specs = [self._spec, *self._desk.generators.values(), *self._desk.detectors.values(), *parser]
        found = [provision for spec in specs for provision in spec.provisions if isinstance(provision, PluginFile)]
        return tuple(dict.fromkeys(found))

    @property
    def forfeits(self) -> tuple[Forfeit, ...]:
        """What players failed at in all that was asked for, in an order that does not depend on the executor."""
        self._engine.finish()
        return self._tally.sorted_forfeits()

    @property
    def leaks(self) -> dict[str, list[str]]:
        """By generator version: how format alone tells its pools from the reals, where that is only reported."""
        self._engine.finish()
        return self._tally.leaks

    # Players and pools

    def enter(self, *names: str, audit: bool = True) -> Line[Version]:
        """Lets generators enter: their versions 0, with fake pools, audited against the reals that belong to them.

        Args:
            *names: Which; all by default.
            audit: Whether to look for traces of format that would give the fakes away. Leave it out only where no
                detector takes part.

        Raises:
            ConfigError: Format alone tells a generator's pools from the reals, and the configuration refuses that.
            PluginError: There is no such generator.
        """
        wanted = self._known("generator", names or self.generators)
        refuse_grey(self._desk, wanted)
        line = self._line((self._moves.enter(name) for name in wanted), kind="generator")
        self._moves.firsts |= dict(zip(wanted, line.slots, strict=True))
        for slot in line.slots:  # at once, so that reals are there when fakes are
            self._begin(following.prepare_reals(self._moves, slot))
        if audit and self.config.audit.on_leak != "skip":
            audits = [self._begin(self._moves.measure(Audit, [slot])) for slot in line.slots]
            return Line(
                self._engine,
                line.slots,
                kind="generator",
                also=[self._begin(following.weigh(self._moves, audits, tally=self._tally))],
            )
        return line

    def real_pools(self, resolution: int) -> Mapping[str, str]:
        """The keys of the reals that belong to generators of a resolution.

        Args:
            resolution: A generator version's.

        Returns:
            ``train``, ``val`` and ``test`` at the arena's resolution, as detectors see them, and ``attack``: those of
            train at the generator's. A version's ``pools`` are the fakes.
        """
        slot = self._begin(self._moves.real_pools(resolution))
        self._engine.wait_for([slot])
        pools: Mapping[str, str] = slot.value
        return pools

    def reals_at(self, resolution: int) -> Mapping[str, str]:
        """The keys of the reals at generators' own resolution, before they are resized to the arena's.

        Args:
            resolution: A generator version's.

        Returns:
            ``train``, ``val`` and ``test``.

        Raises:
            PluginError: They cannot be read.
        """
        desk = self._over("arena", {"resolution": resolution}, given="")
        jobs = {name: job for name, job in write_real_pools(desk, resolution).items() if name != ATTACK_REALS}
        self._engine.wait_for([self._begin(self._moves.must(job)) for job in jobs.values()])
        return {split: job.key for split, job in jobs.items()}

    def pixels(self, pool: str) -> Pixels:
        """The images of a pool, by its key: uint8 ``(n, h, w, 3)``, RGB."""
        return self.store.read(pool).arrays["images"]

    def identity(self, version: Version) -> Identity:
        """What a job of the experiment's own needs in its payload to build a player; the version is its input.

        In the job: :func:`fakeoff.protocols.rules.referee.build_detector` or ``build_generator``.
        """
        return self._spec_of(version).identity()

    def can(self, version: Version, ability: Ability) -> bool:
        """Whether a player has an ability, such as ``latent``."""
        return self._moves.can(version, ability)

    def is_trainable(self, version: Version) -> bool:
        """Whether a player learns."""
        return self._moves.can(version, "trainable")

    def why_not_attackable(self, version: Version) -> str:
        """Why no attack could follow a detector version's gradient; empty where one can."""
        return self.store.figures(version.key, Trained).not_attackable

    # The game

    def attack(
        self,
        versions: Iterable[Version],
        *,
        targets: Iterable[Version],
        seed: int | None = None,
        what: str = "",
        **settings: Any,
    ) -> Line[Version]:
        """Finetunes generators against frozen detectors (Eq. 4).

        Args:
            versions: Generator versions. Those that cannot be trained are left out.
            targets: Detector versions.
            seed: Of the finetuning in place of the configuration's. The pools' latents stay as they are.
            what: Which of several attacks these are, for people: ``20 steps against resnet18``.
            **settings: Over the configuration's ``[attack]``, such as ``weight=0.5``.

        Returns:
            The next versions, with fake pools.

        Raises:
            ConfigError: There is no such setting.
            PluginError: No target, one that cannot be attacked, or a version is of the other kind.
        """
        attackers, frozen = self._slots("generator", versions), self._slots("detector", targets)
        if not frozen:
            raise PluginError("attack() was given no detector to attack")
        for slot in frozen:
            if slot.settled and slot.value is not None:
                self._moves.check_attackable(slot.value)
        desk = self._over("attack", settings, given="target")
        if seed is not None:
            desk = replace(desk, config=desk.config.model_copy(update={"seed": seed}))
        attacks = (self._moves.attack(desk, attacker, frozen, what=what) for attacker in attackers)
        return self._line(attacks, kind="generator")

    def targets(self, judges: Iterable[Version], *, target: str | None = None) -> Line[Version]:
        """Whom a round's attacks are against, as ``attack.target`` says. Test is not asked.

        Who cannot be attacked, or whose scores cannot be compared, is passed over, and that is on record.

        Args:
            judges: The newest detector versions.
            target: In place of the configuration's.

        Raises:
            ConfigError: A detector is named that does not play, or cannot be attacked.
        """
        slots, config = self._slots("detector", judges), self.config
        if target is not None:
            self.check_target(target, where="target")
            attack = config.attack.model_copy(update={"target": target})
            config = config.model_copy(update={"attack": attack})
        chosen = self._begin(
            choose_targets(slots, round_=self._next_round, config=config, tally=self._tally, store=self.store)
        )
        return self._line((following.pick(chosen, place) for place in range(len(slots))), kind="detector")

    def check_target(self, target: str, *, where: str) -> None:
        """Checks that :meth:`targets` could choose by a word or a name.

        Args:
            target: ``champion``, ``all`` or a detector's name.
            where: Which setting it is, for people.

        Raises:
            ConfigError: It is no detector of this game, or its class says that no gradient flows through it.
        """
        check_target(target, {name: spec.plugin for name, spec in self._desk.detectors.items()}, where=where)

    def defend(
        self,
        names: Iterable[str],
        history: Iterable[Version],
        *,
        after: Line[Version] | None = None,
        seed: int | None = None,
        what: str = "",
        **settings: Any,
    ) -> Line[Version]:
        """Trains detectors from their beginning on reals and fakes, with early stopping on val.

        Args:
            names: Which detectors, such as ``bench.detectors``.
            history: The generator versions whose fakes they learn.
            after: Their versions before, one for each name, as an earlier call returned them. Who forfeited there is
                out, and who did not change stays that version.
            seed: Of the training in place of the configuration's: batches, flips and, of players with a parameter
                ``init_seed`` that nobody set, the initial weights. The pools stay as they are.
            what: Which of several trainings these are, for people: ``on pgan, seed 1``.
            **settings: Over the configuration's ``[defend]``, such as ``steps=200``.

        Returns:
            Versions of the round of the newest fakes.

        Raises:
            ConfigError: There is no such setting.
            PluginError: No such detector, an empty history, or a version is of the other kind.
        """
        makers = self._slots("generator", history)
        if not makers:
            raise PluginError("defend() was given no generator version to learn from")
        wanted = self._known("detector", names)
        before = [None] * len(wanted) if after is None else after.slots
        desk = self._over("defend", settings, given="history")
        if seed is not None:
            desk = reseed(desk, seed)
        defences = (
            self._moves.defend(desk, name, makers, before=old, what=what)
            for name, old in zip(wanted, before, strict=True)
        )
        return self._line(defences, kind="detector")

    def latest(self, before: Line[Version], after: Line[Version]) -> Line[Version]:
        """Each generator's newest version: the one after an attack, or the one before where it cannot be trained.

        Args:
            before: Versions that were to attack.
            after: What :meth:`attack` returned for them.
        """
        pairs = zip(before.slots, after.slots, strict=True)
        return self._line((following.newer(self._moves, old, new) for old, new in pairs), kind="generator")

    def parse(self, versions: Iterable[Version]) -> None:
        """Labels the faces of test pools, where somebody will look at them.

        It is best asked for early: a parser that fails ends the game.

        Args:
            versions: Generator versions.
        """
        if self._desk.parser is not None and any(judges_patches(s.plugin) for s in self._desk.detectors.values()):
            for slot in self._slots("generator", versions):
                self._begin(following.label(self._moves, slot))

    def _over(self, section: str, settings: Mapping[str, Any], *, given: str) -> Desk:
        """The desk with settings over a section of the configuration."""
        if not settings:
            return self._desk
        if given in settings:
            raise PluginError(f"{section}() takes versions in place of the setting '{given}'")
        data = merge(self.config.model_dump(), {section: settings})
        over = parse_config(data, where=f"{section}() of protocol '{self._spec.name}'")
        return open_desk(over, source=self.source, what=self._desk.what)

    def _line(self, moves: Iterable[Any], *, kind: str = "") -> Line[Any]:
        return Line(self._engine, [self._begin(move) for move in moves], kind=kind)

    def _begin(self, move: Any) -> Slot[Any]:
        slot = self._engine.begin(move)
        self._of_round.append(slot)
        return slot

    def _slots(self, kind: Kind, versions: Iterable[Version]) -> tuple[Slot[Any], ...]:
        if isinstance(versions, Line):
            if versions.kind != kind:
                found = f"{versions.kind} versions were" if versions.kind else "something else was"
                raise PluginError(f"{found} given where {kind} versions are wanted")
            return versions.slots
        return tuple(settled(check_kind(kind, version)) for version in versions)

    def _pairs(self, makers: Iterable[Version], judges: Iterable[Version]) -> list[tuple[Slot[Any], Slot[Any]]]:
        fakers, detectives = self._slots("generator", makers), self._slots("detector", judges)
        return [(maker, judge) for maker in fakers for judge in detectives]

    def _known(self, kind: Kind, names: Iterable[str]) -> list[str]:
        wanted = [names] if isinstance(names, str) else list(names)
        known = self.generators if kind == "generator" else self.detectors
        for name in wanted:
            if name not in known:
                hint = suggestion(str(name), known) or "."
                raise PluginError(f"no {kind} '{name}' plays here{hint} There are: {', '.join(known)}")
        return list(dict.fromkeys(wanted))

    def _spec_of(self, version: Version) -> PlayerSpec:
        specs = self._desk.generators if version.kind == "generator" else self._desk.detectors
        return specs[version.player]


__all__ = ["Verbs"]
