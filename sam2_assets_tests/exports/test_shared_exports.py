"""Real exports, where they lie beside the checkout."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_assets.coordinates import Box, iou
from sam2_assets.tables import ImageOrigin
from sam2_assets_tests.exports.conftest import Imported, Reader
from sam2_assets_tests.exports.export_builder import text, write_zip
from sam2_assets_tests.exports.uploads import even_times, frames_of, write_upload

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
def test_other_layouts_hold_the_same_masks(shared_exports: Path, read: Reader, name: str) -> None:
    """All variants are of one clip; those at full resolution differ by the edges of 256 cells."""
    today = read(shared_exports / "variants" / "v1a_d09ae11_no_images.zip").tables.objects
    imported = read(shared_exports / "variants" / f"{name}.zip", settings={"frame_width": 640, "frame_height": 360})
    found = imported.tables.objects
    assert found["frame_index"].tolist() == today["frame_index"].tolist()
    assert found[BOX].equals(today[BOX])
    assert found["area_px"].equals(today["area_px"])


def test_action_segments_need_the_source_video_or_a_frame_size(shared_exports: Path, read: Reader) -> None:
    path = shared_exports / "variants" / "code_9f98fb5_v2.zip"
    assert read.refused(path).code == "frame_size_unknown"
    imported = read(path, video=shared_exports / "sources" / "_synthetic_640x360_24fps.mp4")
    assert imported.summary.image_origins == {"source_video": 20}
    assert [segment["name"] for segment in imported.record["segments"]] == ["Walking", "剪断胆囊管"]


@pytest.mark.parametrize("pictures", [True, False])
@pytest.mark.parametrize("name", DEMO)
def test_the_same_masks_column_by_column_are_read_the_same(
    shared_exports: Path, read: Reader, tmp_path: Path, name: str, pictures: bool
) -> None:
    """With the pictures the overlay tells the order, without them the exporter's box of the transposed mask."""
    path = shared_exports / "demo" / f"{name}.zip"
    with zipfile.ZipFile(path) as archive:
        members = {n: archive.read(n) for n in archive.namelist() if pictures or not n.startswith("images/")}
    row = read(write_zip(tmp_path / "row.zip", members))
    document = json.loads(members["annotations.json"])
    for frame in document["annotations"]:
        for record in frame["objects"]:
            record["mask_rle"] = text(mask_of(record["mask_rle"]), "column")
    members["annotations.json"] = json.dumps(document).encode()
    column = read(write_zip(tmp_path / "column.zip", members))
    assert row.decision("mask_order")["choice"] == "row"
    assert column.decision("mask_order")["choice"] == "column"
    assert column.tables.objects.drop(columns="video_id").equals(row.tables.objects.drop(columns="video_id"))


def mask_of(runs: str) -> np.ndarray:
    lengths = np.array(runs.split(), int)
    return np.repeat(np.arange(len(lengths)) % 2, lengths).astype(np.uint8).reshape(256, 256)


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


LEAD_S = 1.3


def upload_of(name: str, shared: Path, path: Path, *, rotation: int) -> tuple[Path, list[int | None]]:
    """A phone's video of 30 frames a second, larger, turned, with other footage before and after the part that was
    annotated; and which frame of the demo's file each of its frames holds."""
    own = frames_of(shared / "sources" / f"{name}.mp4")
    other = frames_of(shared / "sources" / "_synthetic_640x360_24fps.mp4")
    frames, held = [], []
    for number in range(round((LEAD_S + len(own) / 24 + 0.7) * 30)):
        at = int(np.floor((number / 30 - LEAD_S) * 24 + 0.5))
        held.append(at if 0 <= at < len(own) else None)
        picture = own[at] if 0 <= at < len(own) else other[number % len(other)]
        frames.append(np.rot90(cv2.resize(picture, (1138, 640), interpolation=cv2.INTER_CUBIC), -rotation // 90))
    return write_upload(path, frames, even_times(len(frames), 30), rotation=rotation), held


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """Decibels."""
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


@pytest.mark.parametrize(("name", "rotation"), [("davis_dog", 90), ("davis_blackswan", -90), ("davis_bmx-trees", 180)])
def test_the_upload_gives_the_very_frames(
    shared_exports: Path, read: Reader, tmp_path: Path, name: str, rotation: int
) -> None:
    upload, held = upload_of(name, shared_exports, tmp_path / "upload.mov", rotation=rotation)
    imported = read(shared_exports / "demo" / f"{name}.zip", video=upload)
    source = imported.record["source_video"]
    assert {int(i): held[entry["source_frame"]] for i, entry in source["mapping"].items()} == {
        int(i): int(i) for i in source["mapping"]
    }
    assert min(source["agreement"].values()) > 0.99
    transcoded = frames_of(shared_exports / "sources" / f"{name}.mp4")
    with zipfile.ZipFile(shared_exports / "clean" / f"{name}.zip") as archive:
        clean = {
            int(Path(member).stem[-6:]): cv2.imdecode(np.frombuffer(archive.read(member), np.uint8), cv2.IMREAD_COLOR)
            for member in archive.namelist()
            if member.endswith(".jpg")
        }
    assert len(clean) >= 17
    for index, picture in clean.items():
        assert picture is not None
        ours = cv2.imread(str(imported.folder / "images" / f"frame_{index:06d}.png"))
        neighbours = [transcoded[i] for i in (index - 1, index + 1) if 0 <= i < len(transcoded)]
        assert ours is not None
        assert psnr(ours, picture) > 28 > 25 > max(psnr(neighbour, picture) for neighbour in neighbours)


def test_another_cut_and_a_mirrored_upload_of_the_dog_are_refused(
    shared_exports: Path, read: Reader, tmp_path: Path
) -> None:
    frames = frames_of(shared_exports / "sources" / "davis_dog.mp4")
    export = shared_exports / "demo" / "davis_dog.zip"
    mirrored = write_upload(tmp_path / "mirrored.mp4", [frame[:, ::-1] for frame in frames], even_times(60, 24))
    assert read.refused(export, video=mirrored).field == "pixels"
    later = write_upload(tmp_path / "later.mp4", [*frames[5:], *frames[:5], *frames[:20]], even_times(80, 24))
    assert read.refused(export, video=later).code == "video_mismatch"
