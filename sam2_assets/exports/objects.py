"""Stated objects to rows of the objects table: masks measured, boxes and areas checked against them, labels cleaned."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from sam2_assets.exports.bounds import too_large
from sam2_assets.exports.document import Document, ObjectRecord, Order
from sam2_assets.exports.labels import clean_label
from sam2_assets.exports.masks import Grid, Measured, grid_of, measure
from sam2_assets.exports.runs import Ints, parse_runs
from sam2_assets.tables import Provenance
from sam2_assets.threads import cores

# Text parsed at once: a few arrays of its size are alive at a time.
_TEXT_AT_ONCE: Final = 8 * 1024**2
# Text written at once: read across its lines, a mask of stripes has as many runs as cells, from a few hundred.
_WRITTEN_AT_ONCE: Final = 32 * 1024**2
_MOST_WORKERS: Final = 8
_FEWEST_AT_ONCE: Final = 256
_SAME: Final = 0.01
_BY_ID: Final = attrgetter("object_id")
_BOX: Final = ["box_x", "box_y", "box_w", "box_h"]
_DECLARED: Final = ["declared_x", "declared_y", "declared_w", "declared_h"]


def objects_table(
    document: Document, unstated: Order, label_map: Mapping[str, str], most_bytes: int, *, corners: bool = False
) -> pd.DataFrame:
    """The objects table but for ``video_id``, sorted by frame and object.

    Boxes and areas are always the mask's; provenance says whether the export states the same (to 0.01 px).

    Args:
        document: the export.
        unstated: scan order of masks that do not state one.
        label_map: the user's, see ``clean_label``.
        most_bytes: ``max_mask_bytes``, of all masks' COCO text together.
        corners: whether stated boxes are two corners; the table has corner and size.

    Raises:
        ExportError: anything wrong with run lengths (``runs``, ``masks.grid_of``), or ``document_too_large``.
    """
    order = [
        (frame.frame_index, sorted(frame.objects, key=_BY_ID) if len(frame.objects) > 1 else frame.objects)
        for frame in document.frames
    ]
    records = list(itertools.chain.from_iterable(objects for _, objects in order))
    frames = np.repeat([index for index, _ in order], [len(objects) for _, objects in order]).astype(np.int64)
    columns: dict[str, Sequence[Any]] = dict.fromkeys(ObjectRecord._fields, ())
    columns.update(zip(ObjectRecord._fields, zip(*records, strict=True), strict=False))
    masks = _Masks(len(records))
    for low, high in _chunks(records):
        _measure_chunk(document, records[low:high], unstated, masks, low)
        if masks.size > most_bytes:
            raise too_large(document.file, "max_mask_bytes", masks.size, most_bytes, code="document_too_large")
    nan = float("nan")
    nowhere = (nan, nan, nan, nan)
    declared = np.array([box or nowhere for box in columns["box"]], float).reshape(-1, 4)
    if corners:
        declared[:, 2:] -= declared[:, :2]
    declared_area = _floats(columns["area"])
    names = list(zip(columns["label"], columns["object_id"], strict=True))
    cleaned = {name: clean_label(*name, label_map) for name in set(names)}
    labels = [cleaned[name] for name in names]
    return pd.DataFrame(
        {
            "frame_index": frames,
            "object_id": np.array(columns["object_id"], np.int64),
            "label": _text([label for label, _ in labels]),
            "label_raw": _text(columns["label"]),
            **{name: masks.boxes[:, i] for i, name in enumerate(_BOX)},
            "area_px": masks.areas,
            "empty": masks.areas == 0,
            "rle_counts": masks.counts(),
            "grid_h": masks.grids[:, 0],
            "grid_w": masks.grids[:, 1],
            **{name: declared[:, i] for i, name in enumerate(_DECLARED)},
            "declared_area": declared_area,
            "confidence": _floats(columns["confidence"]),
            "box_provenance": _provenance(
                np.isnan(declared[:, 0]), np.abs(declared - masks.boxes).max(axis=1, initial=0)
            ),
            "area_provenance": _provenance(np.isnan(declared_area), np.abs(declared_area - masks.areas)),
            "label_provenance": _text([provenance.value for _, provenance in labels]),
        }
    )


class _Masks:
    """What is measured of ``n`` masks, filled in part by part in any order.

    Attributes:
        boxes: ``(n, 4)`` frame pixels.
        areas: ``(n,)`` frame pixels.
        grids: ``(n, 2)`` height and width, cells.
        size: bytes of the COCO texts so far.
    """

    def __init__(self, masks: int) -> None:
        self.boxes = np.zeros((masks, 4))
        self.areas = np.zeros(masks)
        self.grids = np.ones((masks, 2), np.int64)
        self.size = 0
        self._places: list[Ints] = []
        self._texts: list[pa.LargeStringArray] = []

    def put(self, places: Ints, measured: Measured) -> None:
        """Fill in the masks ``places``."""
        self.boxes[places], self.areas[places] = measured.boxes, measured.areas
        self.size += len(measured.texts)
        buffers = [pa.py_buffer(measured.offsets), pa.py_buffer(np.ascontiguousarray(measured.texts))]
        self._places.append(places)
        self._texts.append(pa.LargeStringArray.from_buffers(len(places), *buffers))

    def counts(self) -> pd.api.extensions.ExtensionArray:
        """The COCO texts of all masks, in their order."""
        if not self._texts:
            return _text([])
        texts, places = pa.concat_arrays(self._texts), np.concatenate(self._places)
        if bool((np.diff(places) != 1).any()):
            texts = texts.take(pa.array(np.argsort(places)))
        return _column(texts)


def _chunks(records: list[ObjectRecord]) -> Iterator[tuple[int, int]]:
    """Stretches of records with about so much text as is parsed at once, each at least one record."""
    sizes = np.cumsum(np.fromiter((len(record.runs) for record in records), np.int64, len(records)))
    low = 0
    while low < len(records):
        before = int(sizes[low - 1]) if low else 0
        high = min(int(np.searchsorted(sizes, before + _TEXT_AT_ONCE, side="right")) + 1, len(records))
        yield low, high
        low = high


def _measure_chunk(
    document: Document, records: list[ObjectRecord], unstated: Order, masks: _Masks, offset: int
) -> None:
    """Measure the masks of ``records``, which are numbers ``offset`` and following, on all cores."""
    runs = parse_runs(
        [record.runs for record in records], document.file, lambda: [record.runs_path for record in records]
    )
    workers = min(cores(), _MOST_WORKERS)
    parts: deque[tuple[Grid, Order, Ints]] = deque()
    for (grid, order), members in _alike(document, records, runs.totals(), unstated).items():
        masks.grids[members + offset] = grid
        # long stretches cost nothing, but every core should have one
        step = max(_FEWEST_AT_ONCE, -(-len(members) // workers))
        parts += [(grid, order, members[low : low + step]) for low in range(0, len(members), step)]

    def work(part: tuple[Grid, Order, Ints]) -> Measured:
        grid, order, which = part
        return measure(runs, grid, order, document.width, document.height, which, _WRITTEN_AT_ONCE // workers)

    with ThreadPoolExecutor(workers, thread_name_prefix="masks") as pool:
        while parts:  # no more at a time than there are workers: what waits is memory
            some = [parts.popleft() for _ in range(min(workers, len(parts)))]
            for (grid, order, which), measured in zip(some, pool.map(work, some), strict=True):
                done = len(measured.areas)
                masks.put(which[:done] + offset, measured)
                if done < len(which):
                    parts.appendleft((grid, order, which[done:]))


def _alike(
    document: Document, records: list[ObjectRecord], totals: Ints, unstated: Order
) -> dict[tuple[Grid, Order], Ints]:
    """Numbers of the masks that share a grid and a scan order.

    Most records state nothing, and have as many cells as the ones before: their grid is found once.
    """
    stated: dict[tuple[Grid | None, Order | None], list[int]] = {}
    for i, record in enumerate(records):
        stated.setdefault((record.grid, record.order), []).append(i)
    groups: dict[tuple[Grid, Order], list[Ints]] = {}
    for (_, order), numbers in stated.items():
        members = np.array(numbers, np.int64)
        kinds, first, kind_of = np.unique(totals[members], return_index=True, return_inverse=True)
        # the first mask that is wrong is the one to be told
        for kind in np.argsort(first).tolist():
            record = records[int(members[first[kind]])]
            grid = grid_of(record, int(kinds[kind]), document.width, document.height, document.file)
            groups.setdefault((grid, order or unstated), []).append(members[kind_of == kind])
    return {key: np.sort(np.concatenate(parts)) for key, parts in groups.items()}


def _floats(values: Sequence[float | None]) -> npt.NDArray[np.float64]:
    """Null as NaN."""
    return np.array(values, float)


def _provenance(absent: np.ndarray, difference: np.ndarray) -> pd.api.extensions.ExtensionArray:
    names = pa.array([str(Provenance.STATED), str(Provenance.RECOMPUTED), str(Provenance.ABSENT)], pa.large_string())
    numbers = np.where(absent, 2, np.where(difference <= _SAME, 0, 1)).astype(np.int8)
    return _column(names.take(pa.array(numbers)))


def _text(values: Sequence[str]) -> pd.api.extensions.ExtensionArray:
    # without a type, a table without rows would get columns of no type
    return _column(pa.array(values, pa.large_string()))


def _column(texts: pa.LargeStringArray) -> pd.api.extensions.ExtensionArray:
    return cast(pd.api.extensions.ExtensionArray, pd.array(texts, dtype="str"))
