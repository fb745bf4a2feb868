"""Real exports, where they lie beside the checkout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam2_assets.coordinates import Box, iou
from sam2_assets.tables import ImageOrigin
from sam2_assets_tests.exports.conftest import Imported, Reader

BOX = ["box_x", "box_y", "box_w", "box_h"]
DEMO = ["camvid_0001TP_a", "davis_blackswan", "davis_bmx-trees", "davis_dog"]
TODAY = ["v1c_91acb60_images_from_video", "v1d_52abb5a_names_ascii_escaped", "v1f_8779347_pil_labels"]


def boxes(imported: Imported) -> dict[tuple[int, str], tuple[Box, float]]:
    """One mask a class and frame in these exports, so (frame, label) names an object."""
    objects = imported.tables.objects[~imported.tables.objects["empty"]]
    keys = zip(objects["frame_index"].tolist(), objects["label"].tolist(), strict=True)
    values = zip(map(tuple, objects[BOX].to_numpy().tolist()), objects["area_px"].tolist(), strict=True)
    found = dict(zip(keys, values, strict=True))
    assert len(found) == len(objects)
    return found


@pytest.mark.parametrize("name", DEMO)
def test_boxes_of_painted_exports_agree_with_the_true_ones(shared_exports: Path, read: Reader, name: str) -> None:
    """256 cells a side lose far specks of CamVid's car masks, whose boxes shrink; the mean stays at 0.95 or more."""
    demo, clean = read(shared_exports / "demo" / f"{name}.zip"), read(shared_exports / "clean" / f"{name}.zip")
    stated, true = boxes(demo), boxes(clean)
    assert true.keys() <= stated.keys()
    large = [iou(stated[key][0], box) for key, (box, area) in true.items() if area > 400]
    assert len(large) >= 17
    assert np.mean(large) >= 0.95
    assert demo.summary.image_origins == {"export_overlay": demo.summary.frames}
    assert demo.decision("mask_order")["evidence"]["overlay_agreement"]["row"] > 0.9
    assert demo.decision("mask_order")["evidence"]["overlay_agreement"]["column"] < 0.1


def test_every_clean_export_agrees_with_its_own_boxes(shared_exports: Path, read: Reader) -> None:
    archives = sorted((shared_exports / "clean").glob("*.zip"))
    assert len(archives) == 18
    for path in archives:
        imported = read(path)
        assert imported.summary.image_origins == {"export_clean": imported.summary.frames}, path.name
        assert set(imported.tables.objects["box_provenance"]) == {"stated"}, path.name
        assert set(imported.tables.objects["area_provenance"]) == {"stated"}, path.name


@pytest.mark.parametrize("name", [*TODAY, "v1g_HEAD_defaults", "v1g_HEAD_nested_macos"])
def test_variants_of_the_demo_s_layout_hold_the_same_masks(shared_exports: Path, read: Reader, name: str) -> None:
    bare = read(shared_exports / "variants" / "v1a_d09ae11_no_images.zip")
    assert bare.summary.image_origins == {"missing": 20}
    imported = read(shared_exports / "variants" / f"{name}.zip")
    assert imported.summary.image_origins == {"export_overlay": 20}
    assert imported.tables.objects[[*BOX, "rle_counts"]].equals(bare.tables.objects[[*BOX, "rle_counts"]])


def test_full_resolution_masks_of_the_demo_are_read_row_by_row(shared_exports: Path, read: Reader) -> None:
    imported = read(shared_exports / "variants" / "v1g_HEAD_fullres_masks.zip")
    assert imported.decision("mask_order")["choice"] == "row"
    assert imported.tables.objects[BOX].iloc[0].tolist() == [50.0, 41.0, 163.0, 102.0]


def test_edge_cases_of_the_demo_are_read(shared_exports: Path, read: Reader) -> None:
    objects = read(shared_exports / "variants" / "v1g_HEAD_edge_cases.zip").tables.objects
    first = objects[objects["frame_index"] == 0].set_index("object_id")
    assert first["label"].tolist() == ['tool "A" ‹image›', 'tool "A" ‹image›', "object_2", "针/持针器"]
    assert first[BOX].to_numpy()[2].tolist() == [0, 0, 640, 360]
    assert objects["empty"].any()


@pytest.mark.parametrize("name", ["v0a_c7eee73_all_empty", "v0b_9e12320_4d_rejected"])
def test_early_builds_are_read_as_empty(shared_exports: Path, read: Reader, name: str) -> None:
    imported = read(shared_exports / "variants" / f"{name}.zip")
    assert (imported.summary.frames, imported.summary.objects) == (20, 0)


@pytest.mark.parametrize("name", ["code_9f98fb5_v2", "doc_EXPORT_FORMAT_v1", "doc_architecture_md", "seed_appendix"])
def test_other_layouts_are_refused_as_unsupported(shared_exports: Path, read: Reader, name: str) -> None:
    assert read.refused(shared_exports / "variants" / f"{name}.zip").code == "unsupported_layout"


def test_the_dog_s_video_gives_clean_frames(shared_exports: Path, read: Reader) -> None:
    imported = read(shared_exports / "demo" / "davis_dog.zip", video=shared_exports / "sources" / "davis_dog.mp4")
    assert set(imported.tables.frames["image_origin"]) == {ImageOrigin.SOURCE_VIDEO}
    assert min(imported.record["source_video"]["agreement"].values()) > 0.97
    assert (imported.summary.fps, imported.summary.fps_origin) == (24.0, "source_video")


def test_the_swan_s_video_is_refused_for_the_dog(shared_exports: Path, read: Reader) -> None:
    error = read.refused(
        shared_exports / "demo" / "davis_dog.zip", video=shared_exports / "sources" / "davis_blackswan.mp4"
    )
    assert error.code == "video_mismatch"
    assert "50" in str(error)
    assert "60" in str(error)
