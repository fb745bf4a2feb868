"""Documents whose masks or objects would fill the memory are refused, and the checks stay within bounds."""

from __future__ import annotations

import pytest

from sam2_assets_tests.exports.conftest import Reader
from sam2_assets_tests.exports.export_builder import Export, demo_export


def with_mask(runs: str, **fields: object) -> Export:
    export = demo_export((0,))
    export.pictures = {}
    export.document["annotations"][0]["objects"][0] |= {"mask_rle": runs, **fields}
    return export


@pytest.mark.parametrize(
    ("runs", "fields"),
    [("0 9999800001", {}), ("0 268435456", {}), ("0 268435456", {"mask_size": [16_384, 16_384]})],
)
def test_a_mask_finer_than_any_frame_is_refused(read: Reader, runs: str, fields: dict[str, object]) -> None:
    error = read.refused(with_mask(runs, **fields))
    assert (error.code, error.field) == ("document_too_large", "annotations[0].objects[0].mask_rle")


def test_stripes_that_would_become_a_run_a_cell_are_bounded_in_sum(read: Reader) -> None:
    stripes = with_mask("256 " * 256)
    assert read(stripes).summary.objects == 2
    error = read.refused(stripes, settings={"max_mask_bytes": 10_000})
    assert (error.code, error.field) == ("document_too_large", "max_mask_bytes")


@pytest.mark.parametrize(
    ("bound", "field"), [("max_objects_per_frame", "annotations[0].objects"), ("max_objects", "annotations")]
)
def test_too_many_objects_are_refused(read: Reader, bound: str, field: str) -> None:
    error = read.refused(demo_export(), settings={bound: 1})
    assert (error.code, error.field) == ("document_too_large", field)
    assert bound in str(error)


def test_deep_values_do_not_break_the_error_about_them(read: Reader) -> None:
    export = demo_export((0,))
    deep: list[object] = []
    for _ in range(900):
        deep = [deep]
    export.document["video"]["width"] = deep
    assert read.refused(export).code == "wrong_type"
    export = demo_export((0,))
    assert export.metadata is not None
    export.metadata["statistics"]["total_objects"] = deep
    assert read(export).summary.frames == 1
