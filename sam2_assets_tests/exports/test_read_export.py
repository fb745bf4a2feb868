"""The whole station on small exports: what it writes, repairs, says, and leaves behind."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco

from sam2_assets.exports import ImportSettings, read_export
from sam2_assets.tables import ImageOrigin
from sam2_assets_tests.exports.conftest import Reader
from sam2_assets_tests.exports.export_builder import Export, demo_export, full_resolution, scene, truth


def test_masks_keep_their_grid_and_lose_no_cell(read: Reader) -> None:
    objects = read(demo_export()).tables.objects
    assert len(objects) == 8
    for row in objects.to_dict("records"):
        decoded = coco.decode({"size": [row["grid_h"], row["grid_w"]], "counts": row["rle_counts"]})
        assert np.array_equal(decoded, truth(row["frame_index"])[row["object_id"]])


def test_wrong_boxes_and_areas_are_repaired_and_listed(read: Reader) -> None:
    imported = read(demo_export())
    objects = imported.tables.objects
    assert set(objects["box_provenance"]) == set(objects["area_provenance"]) == {"recomputed"}
    repair = imported.repair("box_recomputed")
    assert repair["count"] == 8
    assert len(repair["examples"]) == 5
    stated = imported.tables.objects[["declared_x", "declared_y", "declared_w", "declared_h"]].iloc[0].tolist()
    assert repair["examples"][0]["stated"] == stated
    assert repair["examples"][0]["iou"] < 0.6
    assert imported.repair("area_recomputed")["count"] == 8


def test_right_boxes_and_areas_are_kept_and_not_listed(read: Reader) -> None:
    computed = read(demo_export()).tables.objects
    export = full_resolution(demo_export(paint=False), "column", stated=True)
    rows = iter(computed.to_dict("records"))
    for frame in export.document["annotations"]:
        for record in frame["objects"]:
            row = next(rows)
            record["bbox"] = [int(row[f"box_{side}"]) for side in "xywh"]
            record["area"] = int(row["area_px"])
    imported = read(export)
    assert (
        set(imported.tables.objects["box_provenance"]) == set(imported.tables.objects["area_provenance"]) == {"stated"}
    )
    assert {repair["what"] for repair in imported.record["repairs"]} == {"fps", "duration", "timestamps"}


def test_absent_boxes_areas_and_confidences_are_absent_not_repaired(read: Reader) -> None:
    export = demo_export()
    for frame in export.document["annotations"]:
        for record in frame["objects"]:
            del record["bbox"], record["area"], record["confidence"]
    imported = read(export)
    objects = imported.tables.objects
    assert set(objects["box_provenance"]) == set(objects["area_provenance"]) == {"absent"}
    assert objects[["declared_x", "declared_area", "confidence"]].isna().all(axis=None)
    assert (objects["area_px"] > 0).all()
    assert "box_recomputed" not in imported.summary.repairs


def test_the_clock_is_assumed_flagged_and_configurable(read: Reader) -> None:
    imported = read(demo_export())
    assert imported.tables.frames["time_s"].tolist() == [0.0, 0.25, 0.5, 0.75]
    assert (imported.summary.fps, imported.summary.fps_origin) == (24.0, "assumed")
    assert imported.repair("fps")["examples"] == [{"stated": 30.0, "used": 24.0}]
    assert imported.repair("timestamps")["count"] == 3
    as_stated = read(demo_export(), settings={"fps_assumed": 30.0})
    assert as_stated.tables.frames["time_s"].tolist() == pytest.approx([0.0, 0.2, 0.4, 0.6])
    assert set(as_stated.summary.repairs) == {"box_recomputed", "area_recomputed"}


def test_empty_full_and_tiny_masks_are_measured(read: Reader) -> None:
    export = demo_export((0,))
    frame = export.document["annotations"][0]
    for object_id, runs in ((2, "65536"), (3, "0 65536"), (4, "1285 1 64250")):
        frame["objects"].append({"object_id": object_id, "label": "x", "mask_rle": runs, "bbox": [0, 0, 0, 0]})
    objects = read(export).tables.objects.set_index("object_id")
    boxes = objects[["box_x", "box_y", "box_w", "box_h"]]
    assert objects["empty"].tolist() == [False, False, True, False, False]
    assert boxes.to_numpy()[2].tolist() == [0, 0, 0, 0]
    assert objects.loc[2, "box_provenance"] == "stated"
    assert boxes.to_numpy()[3].tolist() == [0, 0, 320, 180]
    assert objects.loc[3, "area_px"] == 320 * 180
    # cell (5, 5): columns ceil(6.25)..ceil(7.5), rows ceil(3.5)..ceil(4.2)
    assert boxes.to_numpy()[4].tolist() == [7, 4, 1, 1]


def test_labels_are_cleaned_mapped_and_listed(read: Reader) -> None:
    export = demo_export((0, 6))
    for frame in export.document["annotations"]:
        frame["objects"][0]["label"] = " rocket\n<image>"
    imported = read(export, settings={"label_map": {"comet": "ice ball"}})
    objects = imported.tables.objects
    assert objects["label"].tolist()[:2] == ["rocket ‹image›", "ice ball"]
    assert objects["label_raw"].tolist()[:2] == [" rocket\n<image>", "comet"]
    assert objects["label_provenance"].tolist()[:2] == ["cleaned", "mapped"]
    repair = imported.repair("labels")
    assert repair["count"] == 4
    assert {(e["stated"], e["used"], e["count"]) for e in repair["examples"]} == {
        (" rocket\n<image>", "rocket ‹image›", 2),
        ("comet", "ice ball", 2),
    }


@pytest.mark.parametrize("shape", ["nested", "macos", "bom", "no_metadata", "metadata_txt"])
def test_archives_that_people_packed_again_read_the_same(read: Reader, shape: str) -> None:
    export = demo_export()
    if shape in ("nested", "macos"):
        export.prefix = "my export/sam2_export_x/"
    if shape == "macos":
        export.extra = {
            "__MACOSX/annotations.json": b"{}",
            "__MACOSX/my export/sam2_export_x/._annotations.json": b"\0\5\26\7",
            "my export/.DS_Store": b"\0\0\0\1Bud1",
            "my export/sam2_export_x/images/._frame_000000.png": b"\0\5\26\7",
        }
    export.bom = shape == "bom"
    if shape in ("no_metadata", "metadata_txt"):
        export.metadata = None
    if shape == "metadata_txt":
        export.extra = {"metadata.txt": b"frames: 4"}
    plain, packed = read(demo_export()), read(export)
    assert packed.summary.video_id == plain.summary.video_id
    assert packed.tables.objects.equals(plain.tables.objects)
    assert packed.tables.frames.equals(plain.tables.frames)
    assert bool(packed.summary.warnings) == (shape in ("no_metadata", "metadata_txt"))


def test_pictures_are_the_export_s_own_bytes(read: Reader) -> None:
    export = demo_export()
    imported = read(export)
    for row in imported.tables.frames.to_dict("records"):
        data = (imported.folder / row["image"]).read_bytes()
        assert data == export.pictures[row["image"]]
        assert hashlib.sha256(data).hexdigest() == row["image_sha256"]


def test_frames_without_pictures_are_kept_as_missing(read: Reader) -> None:
    export = demo_export()
    del export.pictures["images/frame_000012.png"]
    imported = read(export)
    frames = imported.tables.frames.set_index("frame_index")
    assert frames.loc[12, "image_origin"] == ImageOrigin.MISSING
    assert frames["image"].isna().tolist() == frames["image_sha256"].isna().tolist() == [False, False, True, False]
    assert len(imported.tables.objects) == 8
    assert any("1 of 4" in warning for warning in imported.summary.warnings)


def test_an_export_without_any_object_reads_as_empty_tables(read: Reader) -> None:
    export = demo_export()
    export.pictures.clear()
    export.metadata = None
    for frame in export.document["annotations"]:
        frame["objects"] = []
    imported = read(export)
    assert (imported.summary.frames, imported.summary.objects) == (4, 0)
    assert imported.summary.image_origins == {"missing": 4}
    assert any(warning.startswith("objects:") for warning in imported.summary.warnings)


@pytest.mark.parametrize(
    ("picture", "code"),
    [(b"not a picture", "picture_unreadable"), (None, "picture_size_mismatch"), (b"", "picture_unreadable")],
)
def test_a_bad_picture_fails_the_import_and_leaves_nothing(read: Reader, picture: bytes | None, code: str) -> None:
    from sam2_assets_tests.exports.export_builder import png

    export = demo_export()
    name = "images/frame_000018.png"
    export.pictures[name] = png(scene(18)[:-1]) if picture is None else picture
    for evidence_frames in (1, 8):
        error = read.refused(export, settings={"evidence_frames": evidence_frames})
        assert (error.code, error.file) == (code, name)


def test_a_picture_with_a_damaged_chunk_is_refused(read: Reader) -> None:
    # the sixth picture is not decoded: evidence looks at one, the identity at four
    export = demo_export((0, 3, 6, 9, 12, 18))
    data = bytearray(export.pictures["images/frame_000018.png"])
    data[len(data) // 2] ^= 1
    export.pictures["images/frame_000018.png"] = bytes(data)
    assert read.refused(export, settings={"evidence_frames": 1}).code == "picture_unreadable"


def test_two_pictures_of_one_frame_are_refused(read: Reader) -> None:
    export = demo_export()
    export.pictures["images/frame_000006.jpg"] = export.pictures["images/frame_000006.png"]
    assert read.refused(export).code == "duplicate_picture"


def test_metadata_of_another_video_is_refused_and_other_counts_are_said(read: Reader) -> None:
    export = demo_export()
    assert export.metadata is not None
    export.metadata["statistics"]["total_objects"] = 99
    export.document["export_config"]["frame_indices"].append(23)
    warnings = read(export).summary.warnings
    assert any("total_objects is 99" in warning for warning in warnings)
    assert any("1 planned but not written, the first is 23" in warning for warning in warnings)
    export.metadata["video"]["width"] = 640
    error = read.refused(export)
    assert (error.code, error.file, error.field, error.value) == (
        "metadata_contradiction",
        "metadata.json",
        "video.width",
        "640",
    )


def test_an_output_folder_with_files_is_refused_untouched(tmp_path: Path, read: Reader) -> None:
    out = read.fresh()
    (out / "keep.txt").write_text("mine")
    from sam2_assets.errors import ExportError

    with pytest.raises(ExportError, match="has files"):
        read_export(demo_export().write(tmp_path / "x.zip"), out)
    assert (out / "keep.txt").read_text() == "mine"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_export_gives_the_same_bytes_and_no_trace_of_time_or_place(tmp_path: Path, read: Reader) -> None:
    path = demo_export().write(tmp_path / "x.zip")
    first, second = contents(read(path).folder), contents(read(path).folder)
    assert first == second
    assert sorted(first) == [
        "frames.parquet",
        *(f"images/frame_{i:06d}.png" for i in (0, 6, 12, 18)),
        "import.json",
        "objects.parquet",
        "pictures.parquet",
    ]
    record = first["import.json"].decode()
    assert str(tmp_path) not in record
    assert "2026-01-01" not in record
    assert json.loads(record)["archive"] == {"name": "x.zip", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_identity_is_the_video_s_and_not_the_file_s(read: Reader) -> None:
    def identity(export: Export) -> str:
        return read(export).summary.video_id

    base = identity(demo_export())
    renamed = demo_export()
    renamed.document["video"]["filename"] = "session_y.mp4"
    renamed.document["export_config"]["export_timestamp"] = "2027-01-01T00:00:00Z"
    longer = demo_export()
    longer.document["video"]["total_frames"] = 25
    bare = demo_export()
    bare.pictures.clear()
    moved = bare.copy()
    moved.document["annotations"][0]["objects"][0]["mask_rle"] = "65536"
    identities = [base, identity(demo_export(paint=False)), identity(longer), identity(bare), identity(moved)]
    assert identity(renamed) == base
    assert len(base) == 16
    assert len(set(identities)) == len(identities)


def test_settings_refuse_what_they_do_not_know() -> None:
    with pytest.raises(ValueError, match="fps_assumd"):
        ImportSettings(fps_assumd=24)  # type: ignore[call-arg]
