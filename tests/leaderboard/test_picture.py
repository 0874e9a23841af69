from __future__ import annotations

import io
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image

from fakeoff.leaderboard.mlflow.picture import Picture

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 64, 3), dtype=np.uint8)


def _read(file: Path | io.BytesIO) -> np.ndarray:  # type: ignore[type-arg]
    with Image.open(file) as image:
        return np.asarray(image)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_picture_is_written_pixel_by_pixel(kind: type, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Picture(PIXELS).save(kind(path))
    assert np.array_equal(_read(path), PIXELS)


def test_it_is_a_picture_like_any_other_for_whoever_wants_something_else(tmp_path: Path) -> None:
    picture = Picture(PIXELS)
    assert picture.size == (64, 40)
    assert np.array_equal(np.asarray(picture), PIXELS)
    picture.save(tmp_path / "a.bmp")
    assert np.array_equal(_read(tmp_path / "a.bmp"), PIXELS)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    assert np.array_equal(_read(buffer), PIXELS)
    picture.resize((32, 20)).save(tmp_path / "small.png")
    assert _read(tmp_path / "small.png").shape == (20, 32, 3)


def test_mlflow_writes_it_twice_and_it_is_compressed_once(tmp_path: Path) -> None:
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.create_experiment("pictures", artifact_location=(tmp_path / "artifacts").as_uri())
    run = client.create_run(experiment).info.run_id
    picture = Picture(PIXELS)
    with mock.patch("PIL.PngImagePlugin._save", side_effect=AssertionError("compressed again")):
        client.log_image(run, picture, artifact_file="faces/round-000.png")
        client.log_image(run, picture, key="faces", step=0, synchronous=True)
    written = sorted((tmp_path / "artifacts").rglob("*.png"))
    assert len(written) == 2
    for path in written:
        assert np.array_equal(_read(path), PIXELS)
    [small] = (tmp_path / "artifacts").rglob("*.webp")
    assert _read(small).shape[2] == 3
