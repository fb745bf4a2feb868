"""The clean export that every defect is injected into: the sample's own actors, drawn without a fault."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sam2_assets.sample.choreography import FPS, HEIGHT, WIDTH
from sam2_assets.sample.stage import Stage
from sam2_assets_tests.exports.export_builder import Export, text

Mask = NDArray[np.uint8]
STEP, FRAMES = 4, 24
"""Every fourth of 96 video frames is annotated: four seconds at six frames a second."""
# object id -> label, centre in shares of the frame, share of the frame that the silhouette covers
_CAST = {0: ("fish", 0.22, 0.6, 0.06), 1: ("balloon", 0.78, 0.3, 0.05), 3: ("rocket", 0.55, 0.72, 0.04)}


class CleanExport(Export):
    """An export whose frames and objects are changed by position and id; box, area and runs follow the mask.

    ``position`` counts annotated frames from 0. Masks are ``(HEIGHT, WIDTH)``, 0 or 1. The stated counts follow when it
    is written, unless ``counts_follow`` is set to False.
    """

    counts_follow = True

    def members(self) -> dict[str, bytes]:
        """The files, after the stated counts were brought up to date."""
        if self.counts_follow:
            ids = [each["object_id"] for frame in self.frames for each in frame["objects"]]
            config = self.document["export_config"]
            config["total_exported_frames"] = len(config.get("frame_indices", self.frames))
            if self.metadata is not None:
                counts = {"total_frames": len(self.frames), "total_objects": len(ids), "unique_objects": len(set(ids))}
                self.metadata["statistics"] = counts
        return super().members()

    @property
    def frames(self) -> list[dict[str, Any]]:
        """The records of the annotated frames."""
        found: list[dict[str, Any]] = self.document["annotations"]
        return found

    def objects(self, position: int) -> list[dict[str, Any]]:
        """The object records of a frame."""
        found: list[dict[str, Any]] = self.frames[position]["objects"]
        return found

    def record(self, position: int, object_id: int) -> dict[str, Any]:
        """The record of an object."""
        return next(each for each in self.objects(position) if each["object_id"] == object_id)

    def track(self, object_id: int) -> list[dict[str, Any]]:
        """The records of an object in all frames that have it."""
        return [each for frame in self.frames for each in frame["objects"] if each["object_id"] == object_id]

    def mask(self, position: int, object_id: int) -> Mask:
        """The mask of an object."""
        runs = [int(length) for length in self.record(position, object_id)["mask_rle"].split()]
        flat = np.repeat(np.arange(len(runs)) % 2, runs).astype(np.uint8)
        return np.ascontiguousarray(flat.reshape(WIDTH, HEIGHT).T)

    def put(self, position: int, object_id: int, mask: Mask, label: str | None = None) -> None:
        """Replace an object's mask (and label), or add the object."""
        known = next((each for each in self.objects(position) if each["object_id"] == object_id), None)
        name = label or (known["label"] if known else f"thing {object_id}")
        fresh = object_record(object_id, name, mask, confidence_of(position, object_id))
        if known is None:
            self.objects(position).append(fresh)
        else:
            known.update(fresh)

    def drop(self, position: int, object_id: int) -> None:
        """Take an object out of a frame."""
        self.objects(position).remove(self.record(position, object_id))

    def drop_frame(self, position: int) -> None:
        """Take a frame's record and picture out; the stated list of frames keeps it."""
        del self.pictures[self.picture_name(position)]
        del self.frames[position]

    @property
    def listed(self) -> list[int]:
        """The stated list of frames."""
        found: list[int] = self.document["export_config"]["frame_indices"]
        return found

    def rename(self, object_id: int, label: str) -> None:
        """Give an object another label in all frames."""
        for record in self.track(object_id):
            record["label"] = label

    def keep(self, *object_ids: int) -> None:
        """Take all other objects out."""
        for frame in self.frames:
            frame["objects"] = [each for each in frame["objects"] if each["object_id"] in object_ids]

    def picture_name(self, position: int) -> str:
        """The member that shows a frame."""
        return f"images/frame_{self.frames[position]['frame_index']:06d}.jpg"

    def picture(self, position: int) -> NDArray[np.uint8]:
        """A frame's pixels, ``(HEIGHT, WIDTH, 3)``, blue, green, red."""
        data = np.frombuffer(self.pictures[self.picture_name(position)], np.uint8)
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)

    def repaint(self, position: int, pixels: NDArray[np.uint8]) -> None:
        """Replace a frame's picture."""
        self.pictures[self.picture_name(position)] = jpeg(pixels)


def square(x: int, y: int, side: int) -> Mask:
    """The mask of a square whose upper left corner is ``x, y``, pixels."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[y : y + side, x : x + side] = 1
    return mask


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """A picture (blue, green, red) as the bytes of a JPEG file."""
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())


def confidence_of(position: int, object_id: int) -> float:
    """A confidence that differs from frame to frame, as a tracker's does."""
    return round(0.9 + 0.05 * math.sin(position + object_id), 4)


def object_record(object_id: int, label: str, mask: Mask, confidence: float) -> dict[str, Any]:
    """A record that tells the truth about its mask."""
    x, y, w, h = cv2.boundingRect(mask)
    return {
        "object_id": object_id,
        "label": label,
        "mask_rle": text(mask, "column"),
        "mask_size": [HEIGHT, WIDTH],
        "mask_order": "column",
        "bbox": [int(x), int(y), int(w), int(h)],
        "area": int(mask.sum()),
        "confidence": confidence,
    }


def stage() -> Stage:
    """One calm scene: a fish, a balloon and a rocket drift about their places, nobody hides or leaves."""
    made = Stage(0, 0)
    kinds = {actor.kind.label: actor for actor in made.plan.actors}
    actors = tuple(
        dataclasses.replace(kinds[label], object_id=object_id, keys=((x, y, math.log(share)),))
        for object_id, (label, x, y, share) in _CAST.items()
    )
    renumbered = {actor.object_id: made._sprites[kinds[actor.kind.label].object_id] for actor in actors}
    made.plan, made._sprites = dataclasses.replace(made.plan, cuts=(0,), actors=actors), renumbered
    return made


@functools.cache
def _drawn() -> CleanExport:
    drawing = stage()
    indices = [STEP * i for i in range(FRAMES)]
    annotations, pictures = [], {}
    for position, index in enumerate(indices):
        drawn = drawing.draw(index)
        annotations.append(
            {
                "frame_index": index,
                "timestamp_sec": round(index / FPS, 3),
                "objects": [
                    object_record(o.object_id, o.label, o.mask, confidence_of(position, o.object_id))
                    for o in drawn.objects
                ],
            }
        )
        pictures[f"images/frame_{index:06d}.jpg"] = jpeg(np.ascontiguousarray(drawn.rgb[..., ::-1]))
    total = STEP * FRAMES
    video = {"filename": "garden.mp4", "width": WIDTH, "height": HEIGHT, "total_frames": total}
    config = {"target_fps": FPS / STEP, "frame_indices": indices}
    return CleanExport(
        {
            "video": {**video, "source_fps": float(FPS), "duration_sec": total / FPS},
            "export_config": {**config, "exporter_version": "1.0.0"},
            "annotations": annotations,
        },
        pictures,
        {
            "export_info": {"format_version": "1.0"},
            "video": {**video, "fps": float(FPS), "duration_sec": total / FPS},
            "export_config": config,
        },
    )


def clean_export() -> CleanExport:
    """A fresh copy, to spoil."""
    fresh = _drawn().copy()
    assert isinstance(fresh, CleanExport)
    return fresh
