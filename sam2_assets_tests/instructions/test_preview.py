from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageChops

from sam2_assets.assets import showcase
from sam2_assets.coordinates import iou
from sam2_assets.errors import SettingsError
from sam2_assets.instructions import TASKS, Sample, SampleObject, box_marker
from sam2_assets.instructions.preview import SIGHTS, first_samples, show, sight_of, write_preview
from sam2_assets.training.families import FAMILIES

FRAMES = [(1280, 720), (480, 854), (97, 61)]


def frame_of(size: tuple[int, int]) -> Image.Image:
    """A smooth picture: resizing gives nearly the same however it rounds."""
    x, y = np.meshgrid(np.linspace(0, 255, size[0]), np.linspace(0, 255, size[1]))
    return Image.fromarray(np.stack([x, y, 255 - x], axis=-1).astype(np.uint8))


def published_processor(family: str) -> Any:
    """The picture processor of the family's published models, as our families load it (PIL, LLaVA padded)."""
    import transformers as t

    if family in {"llava", "demo_assembly"}:
        side, mean = (336, None) if family == "llava" else (224, [127 / 255] * 3)
        given = {"image_mean": mean} if mean else {}
        return t.LlavaImageProcessorPil(size={"shortest_edge": side}, crop_size=side, do_pad=True, **given)
    if family == "instructblip":
        return t.BlipImageProcessorPil(size={"height": 224, "width": 224})
    if family == "qwen3_vl":
        return t.Qwen2VLImageProcessorPil(patch_size=16, size={"shortest_edge": 65_536, "longest_edge": 16_777_216})
    return t.Qwen2VLImageProcessorPil(size={"shortest_edge": 3136, "longest_edge": 12_845_056})


def seen_by(processor: Any, picture: Image.Image) -> NDArray[np.float64]:
    """What the processor hands to the model, without its normalisation, ``(H, W, 3)`` of 0..255."""
    batch = processor(images=[picture], do_normalize=False, return_tensors="np")
    values = np.asarray(batch["pixel_values"], dtype=np.float64)
    if "image_grid_thw" in batch:
        (_, rows, columns), patch, merge = batch["image_grid_thw"][0], processor.patch_size, processor.merge_size
        blocks = values.reshape(rows // merge, columns // merge, merge, merge, 3, -1, patch, patch)[:, :, :, :, :, 0]
        values = blocks.transpose(4, 0, 2, 5, 1, 3, 6).reshape(1, 3, rows * patch, columns * patch)
    return values[0].transpose(1, 2, 0) * 255


@pytest.mark.parametrize("family", sorted(SIGHTS))
def test_the_picture_is_the_one_that_the_familys_own_processor_makes(family: str) -> None:
    processor = published_processor(family)
    for size in FRAMES:
        picture = frame_of(size)
        ours, theirs = np.asarray(sight_of(family).picture(picture), np.float64), seen_by(processor, picture)
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= 3


def test_every_family_has_a_sight_in_its_coordinates() -> None:
    assert {name: family.coordinates for name, family in FAMILIES.items()} == {
        name: sight.convention for name, sight in SIGHTS.items()
    }


@pytest.mark.parametrize("family", sorted(SIGHTS))
@pytest.mark.parametrize("size", FRAMES[:2])
def test_drawn_boxes_lie_on_the_object_in_the_resized_picture(family: str, size: tuple[int, int]) -> None:
    x, y, w, h = size[0] * 0.1, size[1] * 0.55, size[0] * 0.3, size[1] * 0.35
    frame = Image.new("RGB", size, (40, 40, 40))
    frame.paste((250, 250, 0), (round(x), round(y), round(x + w), round(y + h)))
    sight = SIGHTS[family]
    clean = np.asarray(sight.picture(frame), np.int64)
    rows, columns = np.nonzero(clean[..., 0] - clean[..., 2] > 100)
    object_there = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
    data = io.BytesIO()
    frame.save(data, "PNG")
    thing = SampleObject(0, "box", (x, y, w, h))
    sample = Sample("v/0/t", "v", 0, "", "t", "Where?", f"box {box_marker(0)}", (thing,), *size, data.getvalue())
    drawn = show(sample, family)
    changed = ImageChops.difference(drawn.picture, sight.picture(frame)).getbbox()
    assert changed is not None
    left, top, right, bottom = changed
    top += 12  # the number stands above the box
    assert iou((left, top, right - left, bottom - top), tuple(float(v) for v in object_there)) > 0.9
    assert drawn.answer == sample.render_answer(sight.convention, sight.geometry(size).resized)


def test_first_samples_take_every_task_in_turn(dataset: Path) -> None:
    samples = first_samples(dataset, 2 * len(TASKS))
    assert [sample.task for sample in samples[: len(TASKS)]] == list(TASKS)
    assert all(sample.image().size == (sample.width, sample.height) for sample in samples)
    assert len({sample.sample_id for sample in samples}) == len(samples)


def test_a_preview_is_a_page_with_its_pictures_and_the_same_each_time(dataset: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_preview(dataset, tmp_path / name, ["llava", "qwen2_5_vl"], 3)
    files = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()}
    page = files["preview.md"].decode()
    entries = json.loads(files["preview.json"])
    assert len(entries) == 6
    for entry in entries:
        assert f"]({entry['picture']})" in page
        assert all(line in page for line in entry["answer"].split("\n"))
        assert "<|box" not in entry["question"] + entry["answer"]
        with Image.open(tmp_path / "a" / entry["picture"]) as picture:
            assert picture.size == (entry["width"], entry["height"])


def test_an_unknown_family_lists_the_known_ones(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="qwen2_5_vl") as caught:
        write_preview(dataset, tmp_path / "out", ["gpt"], 1)
    assert caught.value.code == "unknown_family"
    assert not (tmp_path / "out").exists()


def test_the_ui_shows_samples_as_every_family_sees_them_in_bounded_size(dataset: Path) -> None:
    facts = showcase.of_dataset(dataset)
    pages = {family: facts[f"as_{family}_sees_it"].md_str for family in SIGHTS}
    assert all(page.count("data:image/jpeg;base64,") == 2 for page in pages.values())
    assert sum(len(page) for page in pages.values()) < 500_000
