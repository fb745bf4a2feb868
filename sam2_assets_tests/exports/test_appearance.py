"""A video is known again by what lies between the paint, and no other video is taken for it."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from sam2_assets.exports.appearance import cells, same_video, telling_frames
from sam2_assets_tests.exports.conftest import Imported, Reader
from sam2_assets_tests.exports.export_builder import TOTAL, blob, demo_export, painted, png, scene, text, write_video


def looks(imported: Imported) -> dict[str, str]:
    found: dict[str, str] = imported.record["appearance"]
    return found


def test_another_annotation_of_a_video_is_recognised(read: Reader) -> None:
    """Another object painted elsewhere, at another rate: another identity, but the same looks."""
    other = demo_export((0, 3, 6, 9, 12, 15, 18, 21))
    for frame in other.document["annotations"]:
        index = frame["frame_index"]
        mask = blob((256, 256), 0.5, 0.3, 0.1, 0.1)
        frame["objects"] = [{"object_id": 0, "label": "kite", "mask_rle": text(mask)}]
        other.pictures[f"images/frame_{index:06d}.png"] = png(painted(scene(index), [mask], ["kite"]))
    one, two = read(demo_export()), read(other)
    assert one.summary.video_id != two.summary.video_id
    assert same_video(looks(one), looks(two))


def test_the_source_video_shows_the_same_as_painted_pictures(read: Reader, tmp_path: Path) -> None:
    video = write_video(tmp_path / "video.mp4", [scene(i) for i in range(TOTAL)])
    assert same_video(looks(read(demo_export())), looks(read(demo_export(), video=video)))


def test_another_video_is_not_taken_for_it(read: Reader) -> None:
    other = demo_export(paint=False)
    for frame in other.document["annotations"]:
        index = frame["frame_index"]
        other.pictures[f"images/frame_{index:06d}.png"] = png(scene(index)[:, ::-1].copy())
    assert not same_video(looks(read(demo_export())), looks(read(other)))


def test_flat_covered_and_single_frames_tell_nothing() -> None:
    flat = cells(np.full((180, 320, 3), 90, np.uint8), None)
    assert not same_video({"0": flat, "6": flat}, {"0": flat, "6": flat})
    seen, covered = cells(scene(0), None), cells(scene(0), np.ones((180, 320), bool))
    assert set(covered) == {"-"}
    assert not same_video({"0": seen, "6": covered}, {"0": seen, "6": covered})
    assert same_video({"0": seen, "6": seen}, {"0": seen, "6": seen})
    assert not same_video({}, {})


def test_exports_at_different_rates_look_at_frames_that_both_have() -> None:
    every, tenth = telling_frames(range(240)), telling_frames(range(0, 240, 60))
    assert set(tenth) <= set(every)
    assert len(every) == 12


def test_real_videos_are_told_apart_and_known_again(shared_exports: Path, read: Reader) -> None:
    groups = [
        ["demo/davis_dog", "clean/davis_dog"],
        ["demo/davis_blackswan", "clean/davis_blackswan"],
        ["variants/v1g_HEAD_defaults", "variants/v1g_HEAD_fps0.5", "variants/v1g_HEAD_fullres_masks"],
    ]
    found = {n: (g, looks(read(shared_exports / f"{n}.zip"))) for g, names in enumerate(groups) for n in names}
    for one, other in itertools.combinations(found, 2):
        assert same_video(found[one][1], found[other][1]) is (found[one][0] == found[other][0]), (one, other)


@pytest.mark.parametrize("part", ["pictures", "objects"])
def test_what_an_export_lacks_leaves_its_looks_unknown_or_open(read: Reader, part: str) -> None:
    export = demo_export()
    if part == "pictures":
        export.pictures.clear()
        assert looks(read(export)) == {}
    else:
        export.document["annotations"][0]["objects"] = []
        assert "--" not in looks(read(export))["0"]
