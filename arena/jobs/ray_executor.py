"""Jobs on Ray: stateless tasks, here or on a cluster, and one actor that collects their progress."""

from __future__ import annotations

import contextlib
import dataclasses
import pickle
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from fakeoff.arena.compute import Machine, quiet_threads, survey
from fakeoff.arena.errors import ConfigError, one_line
from fakeoff.arena.jobs import Job, Outcome, Result
from fakeoff.arena.jobs.executors import Load, Observer
from fakeoff.arena.jobs.nursery import Nursery
from fakeoff.arena.jobs.own_signals import uninterrupted
from fakeoff.arena.jobs.ray_start import join, set_environment, start_here
from fakeoff.arena.jobs.ray_work import PATIENCE_SECONDS, POLL_SECONDS, warm, work
from fakeoff.arena.jobs.scratch import Scratch
from fakeoff.arena.jobs.unfinished import Unfinished
from fakeoff.arena.players.provisions import PluginPackage, Provision, ProvisionError, environment
from fakeoff.arena.watch import Watch, overdue

_RETRIES_AFTER_CRASH = 2


_HELD_BYTES = 1 << 30


_ON_GPU = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


@dataclass(frozen=True, kw_only=True)
class _Running:
    job: Job
    result: Any  # the reference to what it will leave
    since: float
    observer: Observer
    unfinished: Unfinished | None


class RayExecutor:
    """Runs jobs on a Ray that belongs to this process alone, or on a cluster.

    It starts with the first job, so a tournament that is complete never waits for it. On a cluster every machine
    must have the same Fakeoff, PyTorch, NumPy, Python and plugin packages; plugin files travel with the jobs. Jobs
    that read files of the driver's machine (photographs, weights) run there, so that it must be one of the cluster's.

    Args:
        workers: Jobs at a time, counted in cores: a job takes as many as it has threads, at most all. On a cluster
            its own cores count.
        address: Of a running cluster's head (``host:port``), or ``auto`` for the one that this machine is in.
        gpus: CUDA devices of this machine that jobs may use; all by default. A cluster's machines say so themselves.
    """

    here = False

    def __init__(self, *, workers: int, address: str | None = None, gpus: int | None = None) -> None:
        self.workers, self.address = workers, address
        self._gpus = gpus
        self._ray: Any = None
        self._task: Any = None
        self._watches: dict[str, Any] = {}
        self._scratch: Scratch | None = None
        self._environment: tuple[PluginPackage, ...] = ()
        self._overdue: dict[str, str] = {}
        self._held_to: set[Provision] = set()
        self._cores: dict[str, int] = {}
        self._machine_gpus: dict[str, int] = {}
        self._running: dict[Any, _Running] = {}
        self._held: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._watched = 0.0
        set_environment(own=address is None)  # now, before a plugin file imports ray

    def has_room(self, job: Job) -> bool:
        if not self._running:
            return True
        ray = self._start()
        gpus = sum(each.gpus for each in self._jobs())
        if job.gpus and gpus + job.gpus > max(job.gpus, ray.cluster_resources().get("GPU", 0)):
            return False
        total = self.workers if self.address is None else sum(self._cores.values())
        return sum(self._cores_of(each) for each in self._jobs()) + self._cores_of(job) <= total

    def start(self, job: Job, *, load: Load, observer: Observer, unfinished: Unfinished | None = None) -> None:
        fresh = self._ray is None
        self._start()
        if fresh and self.address is None:
            self._warm(job)
        if self.address is not None:
            self._compare_machines(job.provisions)
        names = [f"{name}:{key.partition(':')[2]}" for name, key in job.inputs.items()]
        references = [self._hand_over(key.partition(":")[0], load) for key in job.inputs.values()]
        left = unfinished.read(job.key) if unfinished is not None and job.checkpoint_every else None
        reference, result = self._submit(job, names, references, left)
        self._running[reference] = _Running(
            job=job, result=result, since=time.perf_counter(), observer=observer, unfinished=unfinished
        )

    def wait(self) -> Outcome:
        ray = self._start()
        while True:
            ended, _ = ray.wait(list(self._running), num_returns=1, timeout=POLL_SECONDS)
            if ended or time.monotonic() - self._watched >= POLL_SECONDS:
                self._watched = time.monotonic()
                self._watch()
            if ended:
                running = self._running.pop(ended[0])
                outcome = self._collect(ended[0], running)
                Nursery.shared()  # not before: its imports would be in the way of the workers' own
                return outcome

    def abandon(self) -> None:
        """A driver that stops early must not leave jobs behind.

        With a Ray of our own all of it ends: a job that is cancelled just as its result arrives ends the driver's
        process with a stack of Ray's ("Tried to complete task that was not pending").
        """
        running, self._held = list(self._running), OrderedDict()
        self._running.clear()
        if self.address is None:
            self.close()
            return
        for reference in running:
            self._ray.cancel(reference, force=True)

    def _hand_over(self, key: str, load: Load) -> Any:
        """A reference to a result: what a worker left, or what is read and put there now."""
        if key not in self._held:
            result = load(key)
            self._hold(key, result, self._ray.put({"record": dict(result.record), "arrays": dict(result.arrays)}))
        self._held.move_to_end(key)
        return self._held[key][0]

    def _hold(self, key: str, result: Result, reference: Any) -> None:
        """Keeps a result in the workers' shared memory; those that were not asked for longest make room."""
        self._held[key] = (reference, sum(array.nbytes for array in result.arrays.values()))
        while len(self._held) > 1 and sum(size for _, size in self._held.values()) > _HELD_BYTES:
            self._held.popitem(last=False)

    def machines(self) -> Sequence[Machine]:
        if self.address is None:
            return (survey(),)
        ray = self._start()
        self._compare_machines(())
        look = ray.remote(max_retries=0)(survey)
        nodes = sorted(self._cores, key=lambda node: node != self._home_node())
        # A task that asks for no GPU would see none.
        asked = [look.options(**self._on(node, 0), num_gpus=self._machine_gpus[node]).remote() for node in nodes]
        try:
            found: list[Machine] = ray.get(asked)
        except ray.exceptions.RayError as error:
            raise ConfigError(
                f"a machine of the cluster at '{self.address}' does not work: {one_line(error)[:300]}"
            ) from error
        return found

    def close(self) -> None:
        if self._ray is not None:
            with uninterrupted():
                self._held.clear()
                self._ray.shutdown()
                self._ray = None
                self._held_to.clear()
                if self._scratch is not None:
                    self._scratch.close()

    def _start(self) -> Any:
        if self._ray is not None:
            return self._ray
        quiet_threads()
        if self.address is None:
            gpus = torch.cuda.device_count() if self._gpus is None else self._gpus
            self._ray, self._scratch = start_here(workers=self.workers, gpus=gpus)
        else:
            self._ray = join(self.address)
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        self._cores = {node["NodeID"]: int(node["Resources"].get("CPU", 0)) for node in nodes}
        self._machine_gpus = {node["NodeID"]: int(node["Resources"].get("GPU", 0)) for node in nodes}
        if self.address is not None:
            self._environment = environment()
            self._check_cluster()
        watch = self._ray.remote(num_cpus=0)(Watch)
        self._watches = {node: watch.options(**self._on(node, 0)).remote() for node in self._cores}
        self._task = self._ray.remote(max_retries=_RETRIES_AFTER_CRASH, retry_exceptions=False)(work)
        return self._ray

    def _warm(self, job: Job) -> None:
        """Lets all other workers import what the first one does, while that one's job is still alone."""
        ask = self._ray.remote(max_retries=0)(warm)
        for _ in range(self.workers - self._cores_of(job)):
            ask.remote(job.blind())

    def _check_cluster(self) -> None:
        if not self._cores.get(self._home_node()):
            self.close()
            raise ConfigError(
                f"this machine offers the cluster at '{self.address}' no core, and jobs that read its files run here; "
                "start Ray on it with at least one: ray start --address HEAD --num-cpus 1"
            )

    def _home_node(self) -> str:
        return str(self._ray.get_runtime_context().get_node_id())

    def _here(self, cores: int) -> dict[str, Any]:
        return self._on(self._home_node(), cores)

    def _on(self, node: str, cores: int) -> dict[str, Any]:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return {"num_cpus": cores, "scheduling_strategy": NodeAffinitySchedulingStrategy(node_id=node, soft=False)}

    def _compare_machines(self, provisions: Iterable[Provision]) -> None:
        """Holds every machine of the cluster to this one's code, before anything is played.

        Raises:
            ProvisionError: With the package, both releases and the machine.
        """
        wanted = {*self._environment, *provisions} - self._held_to
        if not wanted:
            return

        def differs(wanted: bytes) -> str:  # travels as code: Fakeoff may not be there at all
            import pickle
            import platform

            try:
                from fakeoff.arena.players.plugins import provide

                provisions = pickle.loads(wanted)  # noqa: S301 - the driver's own words
            except Exception as error:
                return f"the worker on {platform.node()} has no Fakeoff of this kind: {error}; install the same there"
            for provision in provisions:
                try:
                    provide(provision)
                except Exception as error:
                    return str(error)
            return ""

        ask = self._ray.remote(max_retries=0)(differs)
        ordered = pickle.dumps(sorted(wanted, key=str))
        asked = [ask.options(**self._on(node, 0)).remote(ordered) for node in self._cores]
        try:
            answers = self._ray.get(asked)
        except self._ray.exceptions.RayError as error:
            raise ConfigError(
                f"a machine of the cluster at '{self.address}' does not work: {one_line(error)[:300]}"
            ) from error
        for answer in answers:
            if answer:
                raise ProvisionError(answer)
        self._held_to |= wanted

    def _watch(self) -> None:
        """Passes progress on, and kills workers that do not heed their job's limit."""
        jobs = {running.job.key: (reference, running) for reference, running in self._running.items()}
        for watch in self._watches.values():
            with contextlib.suppress(self._ray.exceptions.RayError):  # progress is a courtesy
                latest, spent, checkpoints = self._ray.get(watch.take.remote(), timeout=PATIENCE_SECONDS)
                for key, (done, total, note) in latest.items():
                    if key in jobs:  # a report of an earlier run may come late
                        running = jobs[key][1]
                        running.observer.progress(running.job, done, total, note)
                for key, left in (self._taken(watch) if checkpoints else {}).items():
                    if key in jobs and (unfinished := jobs[key][1].unfinished) is not None:
                        unfinished.write(key, left)
                for key, of in spent.items():
                    if key in jobs and (failure := overdue(of, jobs[key][1].job.seconds)):
                        self._overdue[key] = failure
                        self._ray.cancel(jobs[key][0], force=True)

    def _taken(self, watch: Any) -> dict[str, bytes]:
        taken: dict[str, bytes] = self._ray.get(watch.take_checkpoints.remote(), timeout=PATIENCE_SECONDS)
        return taken

    def _jobs(self) -> list[Job]:
        return [running.job for running in self._running.values()]

    def _cores_of(self, job: Job) -> int:
        most = self.workers if self.address is None else max(self._cores.values())
        return min(job.threads, most)

    def _submit(self, job: Job, names: list[str], references: list[Any], left: bytes | None) -> Any:
        cores = self._cores_of(job)
        options: dict[str, Any] = {"num_cpus": cores, "num_returns": 2}
        # A fresh process comes from the driver's own nursery.
        if self.address is not None and (job.fresh or any(job.places.values())):
            options |= self._here(min(cores, self._cores[self._home_node()]))
        if job.device == "cuda":
            # Processes of their own: one that looked for GPUs while it was allowed none would never see one again.
            options |= {"num_gpus": job.gpus, "runtime_env": {"env_vars": _ON_GPU}}
        share = None if self.address is not None else cores / self.workers
        task: Callable[..., Any] = self._task.options(**options, name=job.label).remote
        return task(
            job.blind(),
            names,
            self._watches,
            *references,
            share=share,
            wanted=self._environment,
            nursery=Nursery.shared().address if job.fresh else "",
            left=None if left is None else self._ray.put(left),
        )

    def _collect(self, reference: Any, running: _Running) -> Outcome:
        job = running.job
        errors = self._ray.exceptions
        try:
            outcome: Outcome
            outcome, told = self._ray.get([reference, running.result])
            if told is None:
                return dataclasses.replace(outcome, job=job)
            result = Result(record=told["record"], arrays=told["arrays"])
            self._hold(job.key, result, running.result)
            return dataclasses.replace(outcome, job=job, result=result)
        except (errors.WorkerCrashedError, errors.TaskCancelledError):
            failure = "its worker process died (a crash in native code, or out of memory)"
        except errors.OutOfMemoryError:
            failure = "ran out of memory"
        except errors.LocalRayletDiedError as error:  # nobody's fault, and nothing can run any more
            raise ConfigError(
                "Ray's own process died; what was computed is kept, the same command carries on"
            ) from error
        except errors.NodeDiedError:
            failure = "the machine that it ran on was lost"
        except errors.RayTaskError as error:
            if isinstance(error.cause, ProvisionError):
                raise ProvisionError(str(error.cause)) from error
            failure = f"raised {one_line(error.cause if error.cause is not None else error)[:300]}"
        except errors.RayError as error:
            failure = f"was lost by Ray: {one_line(error)[:300]}"
        failure = self._overdue.pop(job.key, failure)
        return Outcome(job=job, result=None, failure=failure, seconds=time.perf_counter() - running.since)
