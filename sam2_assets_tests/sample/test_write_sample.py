"""What ``write_sample`` leaves on disk, and that it is the same every time."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sam2_assets.errors import SettingsError
from sam2_assets.sample import write_sample
from sam2_assets.sample.backgrounds import paint_background, place_name
from sam2_assets.sample.film import read_film, write_film
from sam2_assets.sample.stage import Stage


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(tmp_path: Path) -> None:
    write_sample(tmp_path / "one", seed=5, videos=2, frames=8, workers=1)
    write_sample(tmp_path / "two", seed=5, videos=2, frames=8, workers=2)
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert sorted(one) == ["reef.mp4", "reef.zip", "sky.mp4", "sky.zip", "truth/reef.jsonl", "truth/sky.jsonl"]
    assert one == two


def test_another_seed_gives_other_videos_and_another_session(tmp_path: Path) -> None:
    names = []
    for seed in (0, 1):
        (video,) = write_sample(tmp_path / str(seed), seed=seed, videos=1, frames=2, workers=1)
        with zipfile.ZipFile(video.export) as archive:
            names.append(json.loads(archive.read("annotations.json"))["video"]["filename"])
    assert names[0] != names[1]
    first, second = contents(tmp_path / "0"), contents(tmp_path / "1")
    assert all(first[name] != second[name] for name in first)


def test_source_video_holds_the_drawn_frames(tmp_path: Path) -> None:
    (video,) = write_sample(tmp_path, videos=1, frames=12, workers=1)
    stage = Stage(0, 0)
    decoded = list(read_film(video.source))
    assert len(decoded) == 12
    for index, bgr in enumerate(decoded):
        drawn = stage.draw(index).rgb.astype(float)
        error = ((bgr[..., ::-1] - drawn) ** 2).mean()
        assert 10 * np.log10(255**2 / error) > 32
    # Frames are told apart: each is nearest to the drawing of its own number.
    others = [np.abs(decoded[6][..., ::-1] - stage.draw(index).rgb.astype(float)).mean() for index in range(12)]
    assert int(np.argmin(others)) == 6


def test_truth_lists_the_full_resolution_masks_of_every_frame(tmp_path: Path) -> None:
    (video,) = write_sample(tmp_path, seed=2, videos=1, frames=10, workers=1)
    rows = [json.loads(line) for line in video.truth.read_text(encoding="utf-8").splitlines()]
    assert {row["frame_index"] for row in rows} == set(range(10))
    stage = Stage(2, 0)
    for index in (0, 9):
        seen = {item.object_id: item for item in stage.draw(index).objects if item.area}
        stated = {row["object_id"]: row for row in rows if row["frame_index"] == index and row["area"]}
        assert stated.keys() == seen.keys()
        for number, item in seen.items():
            assert (stated[number]["box"], stated[number]["area"]) == (list(item.box), item.area)
            assert stated[number]["label"] == item.label


def test_result_names_files_and_labels_and_progress_is_told(tmp_path: Path) -> None:
    lines: list[str] = []
    videos = write_sample(tmp_path, videos=2, frames=2, workers=1, on_progress=lines.append)
    assert [video.name for video in videos] == ["reef", "sky"]
    assert [line.split(":")[0] for line in lines] == ["1 of 2", "2 of 2"]
    for video in videos:
        assert video.export.is_file()
        assert video.source == video.export.with_suffix(".mp4")
        assert video.truth == tmp_path / "truth" / f"{video.name}.jsonl"
        with zipfile.ZipFile(video.export) as archive:
            entries = json.loads(archive.read("annotations.json"))["annotations"]
        assert set(video.labels) == {o["label"] for entry in entries for o in entry["objects"]}


def test_places_that_come_round_again_get_their_own_name_and_look() -> None:
    assert [place_name(video) for video in (0, 8, 16)] == ["reef", "reef_2", "reef_3"]
    assert not np.array_equal(paint_background(0, 0), paint_background(0, 8))


@pytest.mark.parametrize(
    ("field", "value"), [("videos", 0), ("frames", 0), ("workers", 0), ("seed", -1), ("target_fps", 12)]
)
def test_impossible_numbers_are_refused_by_name(tmp_path: Path, field: str, value: int) -> None:
    with pytest.raises(SettingsError, match=f"{field} = {value}"):
        write_sample(tmp_path / "none", **{field: value})  # type: ignore[arg-type]
    assert not (tmp_path / "none").exists()


def test_film_keeps_number_rate_and_order_of_frames(tmp_path: Path) -> None:
    levels = [20, 90, 160, 230]
    write_film(tmp_path / "film.mp4", (np.full((48, 64, 3), level, np.uint8) for level in levels), fps=24)
    means = [float(frame.mean()) for frame in read_film(tmp_path / "film.mp4")]
    assert means == pytest.approx(levels, abs=3)
