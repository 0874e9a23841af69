from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.protocols.pictures import judge_pictures

SMALL_SIDE = """
from fakeoff.detectors import PatchDetector, ReceptiveField, register

@register("bright_at_32")
class BrightAt32(PatchDetector):
    \"\"\"Takes images of 32 pixels; a patch of 8 x 8 of them is as fake as it is bright.\"\"\"

    receptive_field = ReceptiveField.of([(8, 8, 0)])
    side = 32

    def patch_scores(self, images):
        assert images.shape[-1] == 32
        return images.mean(1).unfold(1, 8, 8).unfold(2, 8, 8).mean((3, 4))
"""


def test_verdicts_of_a_detector_of_another_size_count_the_arenas_pixels(
    play: Callable[..., Any], toy_config: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "small_side.py").write_text(SMALL_SIDE)
    load_plugin_file(tmp_path / "small_side.py")
    record, _ = play(toy_config(rounds=0, detectors=[{"plugin": "bright_at_32"}], parts={"parser": ""}))
    side = record.config.arena.resolution
    assert side != 32
    # Dark but for the lower right quarter of the lower right quarter.
    pixels = np.zeros((1, side, side, 3), np.uint8)
    pixels[:, 3 * side // 4 :, 3 * side // 4 :] = 255
    judged = judge_pictures(pixels, detector="bright_at_32", record=record, store=Store(tmp_path / "home" / "store"))
    assert judged.heatmaps is not None
    assert judged.heatmaps.shape == (1, side, side)
    assert judged.pixels.shape == (1, side, side, 3)
    assert judged.heatmaps[0, -1, -1] > 0.9 > 0.1 > judged.heatmaps[0, 0, 0]
    [verdict] = judged.verdicts
    assert verdict.patch is not None
    top, left, bottom, right = verdict.patch
    assert 0 <= top < bottom <= side
    assert 0 <= left < right <= side
    assert (bottom - top, right - left) == (side // 4, side // 4)
