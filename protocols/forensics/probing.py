"""A small probe that sees traces of format and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from fakeoff.arena.seeds import sealed
from fakeoff.protocols.forensics.report import PROBE_MARGIN, SAME_PIPELINE, SEE, SIDES, Finding, Probe, SideName
from fakeoff.protocols.forensics.sides import AuditedImage
from fakeoff.protocols.score import metrics

_RESAMPLES = 500


_FEWEST_FOR_A_PROBE = 20


_FOLDS = 5


_PREVALENCE = 0.5


def probe(images: Sequence[AuditedImage], rng: np.random.Generator) -> Probe | None:
    """Trains a probe on traces alone, and says how well it tells the sides apart; None among too few images."""
    is_fake = np.array([image.side == "fake" for image in images])
    counts = int((~is_fake).sum()), int(is_fake.sum())
    if min(counts) < _FEWEST_FOR_A_PROBE:
        return None
    columns = _features(images)
    scores = np.full(len(images), 0.5)
    strongest = ""
    if columns:
        with sealed("import", "scikit-learn"):  # here: a clean audit does without, and it takes a second
            from sklearn.linear_model import LogisticRegression
            from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
            from sklearn.pipeline import make_pipeline
            from sklearn.preprocessing import StandardScaler

        table = np.column_stack(list(columns.values()))
        groups = _groups(images)
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        folds = kind(_FOLDS, shuffle=True, random_state=int(rng.integers(2**31)))
        weights = np.zeros(len(columns))
        for train, test in folds.split(table, is_fake, groups):
            model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
            model.fit(table[train], is_fake[train])
            scores[test] = model.predict_proba(table[test])[:, 1]
            weights += np.abs(model[-1].coef_[0])
        strongest = list(columns)[int(weights.argmax())]
    figures = metrics.evaluate(
        scores[~is_fake],
        scores[is_fake],
        val_threshold=0.5,
        resamples=_RESAMPLES,
        confidence=0.95,
        seed=int(rng.integers(2**31)),
    ).figures
    return Probe(
        ap=figures.ap,
        ap_interval=figures.ap_ci,
        prevalence=_PREVALENCE,
        n_real=counts[0],
        n_fake=counts[1],
        features=tuple(columns),
        strongest=strongest,
    )


def _features(images: Sequence[AuditedImage]) -> dict[str, npt.NDArray[np.float64]]:
    """Measures as they are, categories as indicators; what never varies, or is rarer than in 1%, is left out."""
    columns: dict[str, npt.NDArray[np.float64]] = {}
    for name in sorted({name for image in images for name in image.measures}):
        columns[name] = np.array([image.measures.get(name, 0.0) for image in images])
    for check in sorted({check for image in images for check in image.categories}):
        values = np.array([image.categories.get(check, "") for image in images])
        for value in sorted(set(values.tolist())):
            columns[f"{check}: {value}"] = (values == value).astype(np.float64)
    return {name: column for name, column in columns.items() if _varies(column)}


def _varies(column: npt.NDArray[np.float64]) -> bool:
    commonest = np.unique(column, return_counts=True)[1].max()
    return bool(commonest <= 0.99 * len(column))


def _groups(images: Sequence[AuditedImage]) -> list[str] | None:
    """Sub-folders (people, scenes), where each side has enough of them for every fold; else None."""
    folders = [len({image.group for image in images if image.side == side}) for side in SIDES]
    grouped = min(folders) >= 2 * _FOLDS and max(folders) < len(images) / 2
    return [image.group for image in images] if grouped else None


def probe_findings(probe: Probe | None, images: Mapping[SideName, int]) -> list[Finding]:
    """What the probe's average precision says."""
    if probe is None:
        sentence = (
            f"too few images for the probe: {images['real']} reals and {images['fake']} fakes, "
            f"{_FEWEST_FOR_A_PROBE} of each are needed"
        )
        advice = f"audit more images; {SEE}"
        return [
            Finding(
                check="probe",
                gravity="note",
                sentence=sentence,
                advice=advice,
                figures={str(side): n for side, n in images.items()},
            )
        ]
    low, high = probe.ap_interval
    if low <= probe.prevalence + PROBE_MARGIN:
        return []
    return [
        Finding(
            check="probe",
            gravity="leak",
            sentence=f"probe: a classifier that sees only traces of format has AP {probe.ap:.3f} ({low:.3f} to "
            f"{high:.3f}), where chance has {probe.prevalence:.3f}; its strongest trace is {probe.strongest}",
            advice=SAME_PIPELINE,
            figures={"ap": probe.ap, "ap_interval": [low, high], "prevalence": probe.prevalence},
        )
    ]
