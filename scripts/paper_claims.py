"""The paper's claims, in its order, and what it does not report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from paper_measures import (
    PATCHES,
    SLOPE,
    Finding,
    Results,
    accuracy_falls,
    ap_falls_less,
    contrast,
    ensemble_as_target,
    every_round,
    field_and_robustness,
    forgetting,
    glow_without_reprojections,
    hair_and_background,
    hair_and_mouth_change,
    half_lives,
    less_background,
    mouth_first,
    other_seeds,
    pixels_cost_less,
    ranked,
    recovers,
    remembering,
    shift_exaggerates,
    through_jpeg,
    transfer,
)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Something that the paper says, or that it leaves open.

    Attributes:
        claim: In one sentence.
        where: In the paper.
        paper: Its figure.
        result: The stored result that ours is of.
        measure: Ours, of that result; None where nothing here can test it.
        untested: Why not.
    """

    claim: str
    where: str
    paper: str
    result: str = ""
    measure: Callable[[Any], Finding] | None = None
    untested: str = ""

    def judge(self, results: Results) -> Finding:
        """What was found of it."""
        if self.measure is None:
            return Finding(figure="", verdict="not tested", why=self.untested)
        if self.result not in results:
            return Finding(figure="", verdict="not tested", why="Not played yet.")
        return self.measure(results[self.result])


CLAIMS: Sequence[Claim] = (
    Claim(
        claim="Trained on one resolution, truncated networks generalise to others better than whole ones",
        where="Table 1, left",
        paper="Xception Block 2 99.98, ResNet-18 80.17 at 1024 px",
        result="resolutions",
        measure=contrast("pgan_32px", PATCHES, 1),
    ),
    Claim(
        claim="Truncated networks find fakes of another seed of the same generator better than whole ones",
        where="Table 1, right",
        paper="ResNet-18 95.02 to 98.41, truncated ones 100.0",
        result="initialisations",
        measure=other_seeds,
    ),
    Claim(
        claim="Truncated networks find fakes of architectures that they never saw better than whole ones",
        where="Table 2, left",
        paper="GMM: Xception Block 2 91.38, Xception 40.98",
        result="unseen-generators",
        measure=contrast("pgan", PATCHES, 1),
    ),
    Claim(
        claim="So they do in colour: trained on a MobileStyleGAN of FFHQ, at another one and at a DCGAN",
        where="Table 2",
        paper="FFHQ, SGAN2: Xception Block 3 91.45, Xception 74.33",
        result="colour",
        measure=contrast("july", PATCHES, 1),
    ),
    Claim(
        claim="So they do in colour: trained on a DCGAN of rendered faces, at two MobileStyleGANs",
        where="Table 2",
        paper="FFHQ, SGAN2: Xception Block 3 91.45, Xception 74.33",
        result="colour",
        measure=contrast("dcgan", PATCHES, 1),
    ),
    Claim(
        claim="So they do where samples and reprojections of photographs are learned together, as in the paper",
        where="Table 2, left",
        paper="SGAN: Xception Block 2 99.99, ResNet-18 64.80",
        result="reproject",
        measure=contrast("pgan+pgan~reals", PATCHES, 1),
    ),
    Claim(
        claim="Fakes of Glow are found better by truncated networks that learned no reprojections",
        where="section 4.1",
        paper="no figure; Block 2 67.49 with them",
        result="reproject",
        measure=glow_without_reprojections,
    ),
    Claim(
        claim="Generalisation falls as the receptive field grows",
        where="section 4.1",
        paper="1024 px: Block 2 99.98, Block 5 91.18",
        result="unseen-generators",
        measure=contrast("pgan", SLOPE, -1),
    ),
    Claim(
        claim="They generalise to another data set, too",
        where="Table 2, right",
        paper="SGAN2 on FFHQ: Xception Block 3 91.45, Xception 74.33",
        untested="No architecture ships that learned two sets of faces; of FFHQ there are two MobileStyleGANs, and its "
        "photographs are not to be had here.",
    ),
    Claim(
        claim="The most predictive patches are of hair and background",
        where="Figs. 3 and 4",
        paper="largest two classes",
        result="tournament",
        measure=hair_and_background,
    ),
    Claim(
        claim="So they are in colour, on photographs with hair and background",
        where="Figs. 3 and 4",
        paper="largest two classes",
        result="colour-attacks",
        measure=hair_and_background,
    ),
    Claim(
        claim="One shift of all latents exaggerates what the classifier takes for fake",
        where="Eq. 3, Fig. 5",
        paper="pictures",
        result="exaggerate",
        measure=shift_exaggerates,
    ),
    Claim(
        claim="It accentuates hair and the smile",
        where="Fig. 5",
        paper="pictures",
        result="exaggerate",
        measure=hair_and_mouth_change,
    ),
    Claim(
        claim="Finetuning takes the frozen detector's accuracy from 100% to below 65%",
        where="section 4.3, Fig. 6",
        paper="< 65%",
        result="tournament",
        measure=accuracy_falls,
    ),
    Claim(
        claim="AP is less sensitive to finetuning than accuracy is",
        where="section 4.3",
        paper="no figure",
        result="tournament",
        measure=ap_falls_less,
    ),
    Claim(
        claim="A detector that is trained on the finetuned generator recovers",
        where="section 4.3",
        paper="no figure",
        result="tournament",
        measure=recovers,
    ),
    Claim(
        claim="The retrained detector relies less on background and more on the face",
        where="Fig. 6",
        paper="histogram",
        result="tournament",
        measure=less_background,
    ),
    Claim(
        claim="In colour, finetuning takes the frozen detector's accuracy from 100% to below 65%",
        where="section 4.3, Fig. 6",
        paper="< 65%",
        result="colour-attacks",
        measure=accuracy_falls,
    ),
    Claim(
        claim="In colour, AP is less sensitive to finetuning than accuracy is",
        where="section 4.3",
        paper="no figure",
        result="colour-attacks",
        measure=ap_falls_less,
    ),
    Claim(
        claim="In colour, a detector that is trained on the finetuned generator recovers",
        where="section 4.3",
        paper="no figure",
        result="colour-attacks",
        measure=recovers,
    ),
    Claim(
        claim="In colour, the retrained detector relies less on background and more on the face",
        where="Fig. 6",
        paper="histogram",
        result="colour-attacks",
        measure=less_background,
    ),
    Claim(
        claim="Face2Face teaches most about the other manipulations",
        where="Table 3",
        paper="mean of the three others over all detectors: 65.7; NeuralTextures 61.5, Deepfakes 60.0, FaceSwap 55.8",
        result="manipulations",
        measure=ranked("what teaches most", "trained on", "face2face"),
    ),
    Claim(
        claim="FaceSwap is the hardest for those who did not learn it",
        where="Table 3",
        paper="mean 54.4, from 43.2 to 63.5",
        result="manipulations",
        measure=ranked("what is hardest", "tested on", "faceswap", last=True),
    ),
    Claim(
        claim="Trained on Face2Face, truncated networks generalise better than whole ones",
        where="Table 3",
        paper="NT: Block 1 80.88, Xception 56.07",
        result="manipulations",
        measure=contrast("face2face", PATCHES, 1),
    ),
    Claim(
        claim="Trained on Deepfakes, truncated networks generalise better than whole ones",
        where="Table 3",
        paper="NT: Layer 1 74.99, ResNet-18 53.22",
        result="manipulations",
        measure=contrast("deepfakes", PATCHES, 1),
    ),
    Claim(
        claim="Who learned Face2Face looks at the mouth in Deepfakes and NeuralTextures",
        where="Fig. 7",
        paper="histogram, mouth first",
        result="manipulations",
        measure=mouth_first,
    ),
    Claim(
        claim="How many steps of finetuning break each detector: its half-life",
        where="nothing on it",
        paper="",
        result="strength",
        measure=half_lives,
    ),
    Claim(
        claim="Half-lives in colour: a DCGAN of rendered faces against detectors of CelebA's photographs",
        where="nothing on it",
        paper="",
        result="colour-strength",
        measure=half_lives,
    ),
    Claim(
        claim="Whether a wider receptive field stands more attack",
        where="nothing on it",
        paper="",
        result="strength",
        measure=field_and_robustness,
    ),
    Claim(
        claim="Whether it does in colour",
        where="nothing on it",
        paper="",
        result="colour-strength",
        measure=field_and_robustness,
    ),
    Claim(
        claim="What attacks cost the images until the detector is broken",
        where="nothing on it",
        paper="",
        result="strength",
        measure=pixels_cost_less,
    ),
    Claim(
        claim="Whom else an attack fools",
        where="nothing on it",
        paper="",
        result="strength",
        measure=transfer,
    ),
    Claim(
        claim="What JPEG leaves of an attack",
        where="nothing on it",
        paper="",
        result="strength",
        measure=through_jpeg,
    ),
    Claim(
        claim="What JPEG leaves of an attack in colour",
        where="nothing on it",
        paper="",
        result="colour-strength",
        measure=through_jpeg,
    ),
    Claim(
        claim="Whether detectors forget the fakes of old rounds",
        where="nothing on it",
        paper="",
        result="arms-race",
        measure=forgetting,
    ),
    Claim(
        claim="What it helps to learn the fakes of all rounds",
        where="nothing on it",
        paper="",
        result="arms-race",
        measure=remembering,
    ),
    Claim(
        claim="How eight rounds go, against the champion and against all detectors at once",
        where="nothing on it",
        paper="",
        result="ensemble-race",
        measure=every_round,
    ),
    Claim(
        claim="Whether all detectors at once are the better target",
        where="nothing on it",
        paper="",
        result="ensemble-race",
        measure=ensemble_as_target,
    ),
)

__all__ = ["CLAIMS", "Claim"]
