"""The audit of a generator version's pools, as a job of a game."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from fakeoff.arena.images import Pixels
from fakeoff.arena.images.reals import SPLITS
from fakeoff.arena.jobs import Context, Job, Result
from fakeoff.protocols.forensics.audit import audit_pools
from fakeoff.protocols.forensics.report import SIDES
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.rules.desk import Desk

VERSION = 5


@dataclass(frozen=True, kw_only=True)
class AuditArguments:
    """What an audit of pools is told.

    Attributes:
        seed: Of the draws.
    """

    seed: int


def write_audit(desk: Desk, version: Version, *, reals: Mapping[str, str]) -> Job:
    """Whether a generator version's pools could be told from their reals by format alone.

    Args:
        desk: What is played.
        version: Which.
        reals: Keys of the real pools by split.
    """
    return desk.job(
        audit,
        VERSION,
        label=f"audit {version.label}",
        player=version.player,
        payload=asdict(AuditArguments(seed=desk.config.seed)),
        inputs={
            **{f"real_{split}": reals[split] for split in SPLITS},
            **{f"fake_{split}": version.pools[split] for split in SPLITS},
        },
        stage="audit",
        round_=version.round,
    )


def audit(context: Context) -> Result:
    """Audits a generator version's pools against the reals that belong to it.

    Payload: :class:`AuditArguments`. Inputs: ``real_train``, ``real_val``, ``real_test``, ``fake_train``, ``fake_val``,
    ``fake_test``.
    """
    arguments = context.arguments(AuditArguments)
    pools: dict[str, dict[str, Pixels]]
    pools = {side: {split: context.inputs[f"{side}_{split}"].arrays["images"] for split in SPLITS} for side in SIDES}
    report = audit_pools(pools["real"], pools["fake"], seed=arguments.seed)
    return Result(record=json.loads(json.dumps(asdict(report))))
