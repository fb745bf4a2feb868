"""Plan to pixels: the drawn frames of one video and the true mask of every object in them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam2_assets.sample.backgrounds import paint_background
from sam2_assets.sample.choreography import HEIGHT, WIDTH, Actor, Plan, Pose, make_plan
from sam2_assets.sample.motion import REACH
from sam2_assets.sample.paint import Image, Sprite


@dataclass(frozen=True)
class Shown:
    """An object in a frame; ``mask`` is what can be seen of it, uint8 0/1, ``(HEIGHT, WIDTH)``."""

    object_id: int
    label: str
    mask: Image

    @property
    def area(self) -> int:
        """Visible pixels."""
        return int(np.count_nonzero(self.mask))

    @property
    def box(self) -> tuple[int, int, int, int]:
        """``(x, y, w, h)`` of the visible pixels in frame pixels; zeros if there are none."""
        x, y, w, h = cv2.boundingRect(self.mask)
        return int(x), int(y), int(w), int(h)


@dataclass(frozen=True)
class DrawnFrame:
    """One frame: ``rgb`` is ``(HEIGHT, WIDTH, 3)`` uint8; ``objects`` has every actor, by track id, hidden or not."""

    rgb: Image
    objects: tuple[Shown, ...]


class Stage:
    """Paints one video's things once, then draws any of its frames.

    Args:
        seed: of the whole sample.
        video: number of the video in the sample, from 0.
    """

    def __init__(self, seed: int, video: int) -> None:
        self.plan: Plan = make_plan(seed, video)
        self._background = paint_background(seed, video)
        self._sprites: dict[int, Sprite] = {
            actor.object_id: actor.kind.paint(np.random.default_rng(actor.painter_seed)) for actor in self.plan.actors
        }

    def draw(self, frame: int) -> DrawnFrame:
        """Draw frame number ``frame`` (from 0); nearer actors hide farther ones."""
        x, y = self.plan.camera(frame)
        window = np.array([[1, 0, x], [0, 1, y]], np.float64)
        seen = cv2.warpAffine(
            self._background,
            window,
            (WIDTH, HEIGHT),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        )
        rgb = np.asarray(seen, np.uint8)
        masks: dict[int, Image] = {}
        for actor in sorted(self.plan.actors, key=lambda actor: actor.depth):
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            self._draw_actor(rgb, mask, actor, self.plan.pose(actor, frame))
            for behind in masks.values():
                behind[mask > 0] = 0
            masks[actor.object_id] = mask
        shown = (Shown(a.object_id, a.kind.label, masks[a.object_id]) for a in self.plan.actors)
        return DrawnFrame(rgb, tuple(sorted(shown, key=lambda item: item.object_id)))

    def _draw_actor(self, rgb: Image, mask: Image, actor: Actor, pose: Pose) -> None:
        """Blend one actor into ``rgb`` and set its silhouette in ``mask``, both in place."""
        sprite = self._sprites[actor.object_id]
        half = float(np.sqrt(pose.area / sprite.fill) / 2)
        reach = REACH * half * (abs(np.cos(pose.angle)) + abs(np.sin(pose.angle)))
        left, right = max(int(pose.x - reach), 0), min(int(pose.x + reach) + 1, WIDTH)
        top, bottom = max(int(pose.y - reach), 0), min(int(pose.y + reach) + 1, HEIGHT)
        if left >= right or top >= bottom:
            return
        dx = (np.arange(left, right, dtype=np.float32) + np.float32(0.5 - pose.x))[None, :] / np.float32(half)
        dy = (np.arange(top, bottom, dtype=np.float32) + np.float32(0.5 - pose.y))[:, None] / np.float32(half)
        cosine, sine = np.float32(np.cos(pose.angle)), np.float32(np.sin(pose.angle))
        u, v = dx * cosine + dy * sine, dy * cosine - dx * sine
        u, v = actor.kind.deform(-u if pose.mirrored else u, v, pose.phase)
        picture = sprite.level_for(2 * half)
        side = picture.shape[0]
        source_x = ((u + 1) * np.float32(side / 2) - np.float32(0.5)).astype(np.float32)
        source_y = ((v + 1) * np.float32(side / 2) - np.float32(0.5)).astype(np.float32)
        patch = cv2.remap(picture, source_x, source_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        alpha = patch[..., 3:].astype(np.float32) / 255
        area = np.s_[top:bottom, left:right]
        rgb[area] = np.round(rgb[area] * (1 - alpha) + patch[..., :3]).astype(np.uint8)
        mask[area] = patch[..., 3] >= 128
