"""The same small export in every other layout that is read, with masks written in every way."""

from __future__ import annotations

import json
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco

from sam2_assets_tests.exports.export_builder import (
    HEIGHT,
    TOTAL,
    WIDTH,
    Export,
    enlarge,
    png,
    run_lengths,
    scene,
    text,
    truth,
)

INDICES = (0, 6, 12, 18)
LABELS = ("rocket", "comet")


def true_box(mask: np.ndarray) -> list[int]:
    return list(cv2.boundingRect(enlarge(mask)))


def mask_fields(mask: np.ndarray, writing: str) -> dict[str, Any]:
    """One mask at the frame's size; ``writing`` names kind, place and order."""
    full = enlarge(mask)
    compressed = coco.encode(np.asfortranarray(full))["counts"].decode()
    columns = run_lengths(full, "column")
    size = [HEIGHT, WIDTH]
    return {
        "compressed": {"mask_rle": compressed},
        "compressed beside its size": {"mask_rle": compressed, "mask_size": size, "mask_order": "F"},
        "compressed object": {"mask": {"counts": compressed, "size": size}},
        "compressed object with order": {"mask": {"counts": compressed, "size": size, "order": "F"}},
        "list": {"mask_rle": columns},
        "list row by row": {"mask_rle": run_lengths(full, "row")},
        "list object": {"mask": {"counts": columns, "size": size}},
        "text object": {"mask": {"counts": " ".join(map(str, columns)), "size": size}},
        "object in mask_rle": {"mask_rle": {"counts": columns, "size": size}},
        "text": {"mask_rle": text(full, "column")},
    }[writing]


WRITINGS = (
    "compressed",
    "compressed beside its size",
    "compressed object",
    "compressed object with order",
    "list",
    "list row by row",
    "list object",
    "text object",
    "object in mask_rle",
    "text",
)


def record(index: int, k: int, writing: str = "compressed", *, corners: bool = False) -> dict[str, Any]:
    mask = truth(index)[k]
    x, y, w, h = true_box(mask)
    return {
        "object_id": k,
        "label": LABELS[k],
        **mask_fields(mask, writing),
        "bbox": [x, y, x + w, y + h] if corners else [x, y, w, h],
    }


def proposal_export(writing: str = "compressed", *, corners: bool = False) -> Export:
    """The proposal's example: no config, no area, no confidence, pictures ``frames/frame_0000.jpg``."""
    annotations = [
        {
            "frame_index": index,
            "timestamp_sec": index / 30,
            "objects": [record(index, k, writing, corners=corners) for k in range(2)],
        }
        for index in INDICES
    ]
    pictures = {f"frames/frame_{index:04d}.png": png(scene(index)) for index in INDICES}
    video = {"filename": "example.mp4", "width": WIDTH, "height": HEIGHT, "source_fps": 30, "total_frames": TOTAL}
    return Export({"video": video, "annotations": annotations}, pictures)


def object_major_members(*, video_info: bool = True) -> dict[str, bytes]:
    """``EXPORT_FORMAT`` 1.0: objects with their frames; the video is described in the metadata."""
    objects = [
        {
            "object_id": k,
            "label": LABELS[k],
            "color": "#ff5733",
            "frames": [
                {"frame_index": index, "timestamp": index / 30}
                | {
                    key: value
                    for key, value in record(index, k, "compressed object with order").items()
                    if key in ("mask", "bbox")
                }
                for index in INDICES
            ],
        }
        for k in range(2)
    ]
    metadata: dict[str, Any] = {"format_version": "1.0", "export_type": "global_objects"}
    if video_info:
        metadata["video_info"] = {"width": WIDTH, "height": HEIGHT, "fps": 30, "total_frames": TOTAL}
    return {
        "annotations.json": json.dumps({"objects": objects}).encode(),
        "metadata.json": json.dumps(metadata).encode(),
        **{f"images/frame_{index:06d}.png": png(scene(index)) for index in INDICES},
    }


def demo_record(index: int, k: int) -> dict[str, Any]:
    """As the demo's exporter writes it: row by row on 256 x 256, the box that of the transposed mask."""
    mask = truth(index)[k]
    box = list(cv2.boundingRect(np.ascontiguousarray(mask.T)))
    return {"object_id": k, "label": LABELS[k], "mask_rle": text(mask), "bbox": box, "area": int(mask.sum())}


def segment_frames(indices: tuple[int, ...]) -> list[dict[str, Any]]:
    return [
        {"frame_index": i, "timestamp_sec": i / 30, "objects": [demo_record(i, k) for k in range(2)]} for i in indices
    ]


def segment_documents() -> dict[str, Any]:
    """Two action segments: member -> document, to be changed before ``segment_members``."""
    documents: dict[str, Any] = {"segments_index.json": {"segment_count": 2, "segments": []}}
    for number, (name, indices) in enumerate((("Launch", (0, 6)), ("飞行 <image>", (12, 18)))):
        folder = f"segment_{number}"
        described = {"segment_id": f"seg_{number}", "segment_name": name}
        documents["segments_index.json"]["segments"].append(
            {**described, "folder": folder, "frame_range": [indices[0], indices[-1] + 5], "object_count": 2}
        )
        documents[f"{folder}/annotations.json"] = segment_frames(indices)
        documents[f"{folder}/metadata.json"] = {"session_id": "abc", "total_frames": len(indices)}
        documents[f"{folder}/action_segment_seg_{number}.json"] = {
            **described,
            "objects": [{"object_id": k, "label": LABELS[k]} for k in range(2)],
        }
    return documents


def members_of(documents: dict[str, Any]) -> dict[str, bytes]:
    return {name: json.dumps(document, ensure_ascii=False).encode() for name, document in documents.items()}
