"""The sample's ZIPs are what the demo's exporter writes, mistakes included."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sam2_assets.sample import SampleVideo, write_sample
from sam2_assets.sample.document import GRID, row_major_runs, sampled_indices, to_grid
from sam2_assets.sample.overlay import PALETTE_BGR, burn_in


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleVideo:
    """The second video as far as its empty frames: the one with five actors."""
    return write_sample(tmp_path_factory.mktemp("sample"), videos=2, workers=1, frames=96)[1]


def read_annotations(sample: SampleVideo) -> dict[str, Any]:
    with zipfile.ZipFile(sample.export) as archive:
        document: dict[str, Any] = json.loads(archive.read("annotations.json"))
    return document


def picture(sample: SampleVideo, index: int) -> np.ndarray:
    with zipfile.ZipFile(sample.export) as archive:
        data = archive.read(f"images/frame_{index:06d}.png")
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))


def film(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def grid_of(runs: str, order: Literal["C", "F"] = "C") -> np.ndarray:
    lengths = [int(run) for run in runs.split()]
    values = np.repeat(np.arange(len(lengths)) % 2, lengths).astype(np.uint8)
    return np.ascontiguousarray(values.reshape((GRID, GRID), order=order))


def box_iou(a: list[float], b: list[float]) -> float:
    wide = max(0.0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]))
    high = max(0.0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]))
    return wide * high / (a[2] * a[3] + b[2] * b[3] - wide * high)


def shape(value: object) -> object:
    """Keys in their order and the kinds of values, with every list reduced to its first filled element."""
    if isinstance(value, dict):
        return [(key, shape(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def test_documents_have_the_keys_order_and_layout_of_a_real_export(sample: SampleVideo, shared_exports: Path) -> None:
    with (
        zipfile.ZipFile(shared_exports / "variants" / "v1g_HEAD_defaults.zip") as real,
        zipfile.ZipFile(sample.export) as ours,
    ):
        for member in ("annotations.json", "metadata.json"):
            assert shape(json.loads(ours.read(member))) == shape(json.loads(real.read(member)))
            text = ours.read(member).decode()
            assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        assert [re.sub(r"\d", "0", name) for name in ours.namelist()[:3]] == [
            re.sub(r"\d", "0", name) for name in real.namelist()[:3]
        ]
        assert ours.infolist()[0].compress_type == real.infolist()[0].compress_type


def test_overlay_is_painted_pixel_for_pixel_as_the_exporter_paints_it(shared_exports: Path) -> None:
    source = film(shared_exports / "sources" / "davis_dog.mp4")
    with zipfile.ZipFile(shared_exports / "demo" / "davis_dog.zip") as archive:
        document = json.loads(archive.read("annotations.json"))
        for entry in document["annotations"][:6]:
            name = f"images/frame_{entry['frame_index']:06d}.png"
            real = np.asarray(cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_COLOR))
            objects = [(o["label"], grid_of(o["mask_rle"])) for o in entry["objects"]]
            ours = burn_in(source[entry["frame_index"]], objects)
            left, top, wide, _ = cv2.boundingRect(
                cv2.resize(objects[0][1], real.shape[1::-1], interpolation=cv2.INTER_NEAREST)
            )
            line = max(20, top - 10)
            label = np.s_[line - 15 : line + 6, left - 2 : left + 20]
            assert np.array_equal(ours[label], real[label])
            drawn = (ours == PALETTE_BGR[0]).all(axis=2)
            assert drawn.sum() > wide
            assert (real[drawn] == PALETTE_BGR[0]).all(axis=1).mean() > 0.99
            # The published clip was encoded once more than the export's pictures.
            assert np.abs(ours.astype(int) - real).mean() < 5
            full = cv2.resize(objects[0][1], real.shape[1::-1], interpolation=cv2.INTER_NEAREST)
            tinted = (cv2.erode(full, np.ones((9, 9), np.uint8)) > 0) & (real.max(axis=2) < 250)
            assert tinted.sum() > 1000
            assert np.abs((ours.astype(int) - real)[tinted].mean(axis=0)).max() < 3


def test_video_claims_30_fps_while_the_file_has_24(sample: SampleVideo) -> None:
    document = read_annotations(sample)
    assert document["video"]["source_fps"] == 30.0
    assert document["video"]["duration_sec"] == round(96 / 30, 3)
    assert all(entry["timestamp_sec"] == round(entry["frame_index"] / 30, 3) for entry in document["annotations"])
    with av.open(str(sample.source)) as container:
        stream = container.streams.video[0]
        assert [stream.average_rate, stream.frames] == [24, 96]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 640, 360)


def test_every_second_frame_is_annotated_at_15_of_the_claimed_30_fps(sample: SampleVideo) -> None:
    document = read_annotations(sample)
    indices = list(range(0, 96, 2))
    assert document["export_config"]["frame_indices"] == indices
    assert [entry["frame_index"] for entry in document["annotations"]] == indices
    assert sampled_indices(240, 30) == tuple(range(240))
    assert sampled_indices(240, 1) == tuple(range(0, 240, 30))


def test_stated_boxes_are_transposed_in_256ths_and_miss_the_truth(sample: SampleVideo) -> None:
    truth = {(row["frame_index"], row["object_id"]): row for row in truth_rows(sample)}
    good, stated = [], []
    for entry in read_annotations(sample)["annotations"]:
        for found in entry["objects"]:
            x, y, w, h = cv2.boundingRect(grid_of(found["mask_rle"]))
            assert found["bbox"] == [y, x, h, w]
            assert found["area"] == int(grid_of(found["mask_rle"]).sum())
            assert found["confidence"] == 0.95
            row = truth[entry["frame_index"], found["object_id"]]
            if row["area"] > 2000:
                good.append(box_iou([x * 640 / 256, y * 360 / 256, w * 640 / 256, h * 360 / 256], row["box"]))
                stated.append(box_iou(found["bbox"], row["box"]))
    assert len(good) > 50
    assert min(good) > 0.9
    assert np.mean(good) > 0.97
    assert np.mean(stated) < 0.2


def test_runs_read_column_by_column_give_garbage(sample: SampleVideo) -> None:
    drawn: list[float] = []
    scattered: list[float] = []
    for entry in read_annotations(sample)["annotations"]:
        if entry["frame_index"] % 12 or not entry["objects"]:
            continue
        pixels = picture(sample, entry["frame_index"])
        topmost = entry["objects"][-1]
        colour = PALETTE_BGR[(len(entry["objects"]) - 1) % 8]
        orders: list[tuple[Literal["C", "F"], list[float]]] = [("C", drawn), ("F", scattered)]
        for order, found in orders:
            full = cv2.resize(grid_of(topmost["mask_rle"], order), (640, 360), interpolation=cv2.INTER_NEAREST)
            contours, _ = cv2.findContours(full, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
            line = cv2.drawContours(np.zeros_like(full), contours, -1, 1, 2)
            if line.any():
                found.append((pixels[line > 0] == colour).all(axis=1).mean())
    assert len(drawn) >= 4
    assert np.mean(drawn) > 0.9  # the label's box covers some of the line
    assert np.mean(scattered) < 0.25


def test_pictures_differ_from_the_source_only_where_something_is_painted(sample: SampleVideo) -> None:
    source = film(sample.source)
    for entry in read_annotations(sample)["annotations"][::8]:
        if not entry["objects"]:
            continue
        objects = [(o["label"], grid_of(o["mask_rle"])) for o in entry["objects"]]
        clean = source[entry["frame_index"]]
        assert np.array_equal(picture(sample, entry["frame_index"]), burn_in(clean, objects))
        mask = cv2.resize(objects[0][1], (640, 360), interpolation=cv2.INTER_NEAREST) > 0
        if mask.any():
            assert (picture(sample, entry["frame_index"])[mask] != clean[mask]).any()


def test_frames_without_objects_have_a_record_and_no_picture(sample: SampleVideo) -> None:
    entries = read_annotations(sample)["annotations"]
    bare = {entry["frame_index"] for entry in entries if not entry["objects"]}
    with zipfile.ZipFile(sample.export) as archive:
        drawn = {int(name[13:19]) for name in archive.namelist() if name.endswith(".png")}
    assert 1 <= len(bare) < 10
    assert drawn == {entry["frame_index"] for entry in entries} - bare


def test_hidden_objects_are_tracked_for_a_while_with_empty_masks(sample: SampleVideo) -> None:
    empty = [
        o for entry in read_annotations(sample)["annotations"] for o in entry["objects"] if o["mask_rle"] == "65536"
    ]
    assert empty
    assert all(o["bbox"] == [0, 0, 0, 0] and o["area"] == 0 for o in empty)


def truth_rows(sample: SampleVideo) -> list[dict[str, Any]]:
    return [json.loads(line) for line in sample.truth.read_text(encoding="utf-8").splitlines()]


def test_metadata_counts_records_and_instances(sample: SampleVideo) -> None:
    entries = read_annotations(sample)["annotations"]
    with zipfile.ZipFile(sample.export) as archive:
        statistics = json.loads(archive.read("metadata.json"))["statistics"]
    instances = [o["object_id"] for entry in entries for o in entry["objects"]]
    assert statistics == {
        "total_frames": len(entries),
        "total_objects": len(instances),
        "unique_objects": len(set(instances)),
        "objects_per_frame": len(instances) / len(entries),
    }


@given(hnp.arrays(np.uint8, (GRID, GRID), elements=st.integers(0, 1), fill=st.integers(0, 1)))
def test_runs_restore_any_mask(mask: np.ndarray) -> None:
    runs = row_major_runs(mask)
    assert sum(runs) == GRID * GRID
    assert all(run > 0 for run in runs[1:])
    assert np.array_equal(grid_of(" ".join(map(str, runs))), mask)


def test_grid_keeps_the_place_and_share_of_a_mask() -> None:
    mask = np.zeros((360, 640), np.uint8)
    mask[90:270, 320:] = 1
    grid = to_grid(mask)
    assert cv2.boundingRect(grid) == (128, 64, 128, 128)
    assert not to_grid(np.zeros((360, 640), np.uint8)).any()
    assert to_grid(np.ones((360, 640), np.uint8)).all()


def test_overlay_adds_three_tenths_of_the_palette_colour_inside_the_contour() -> None:
    frame = np.full((360, 640, 3), 100, np.uint8)
    mask = np.zeros((GRID, GRID), np.uint8)
    mask[100:200, 50:150] = 1
    painted = burn_in(frame, [("fish", mask * 0), ("kite", mask)])
    assert painted[220, 250].tolist() == [pytest.approx(100 + 0.3 * 255, abs=0.5), 100, 100]
    assert painted[350, 600].tolist() == [100, 100, 100]
    assert tuple(painted[220, 125]) == PALETTE_BGR[1]
    assert np.array_equal(burn_in(frame, [("kite", mask * 0)]), frame)
