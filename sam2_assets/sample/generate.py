"""Writing the sample: for every video its export, its source video and the truth about it."""

from __future__ import annotations

import json
import multiprocessing
import signal
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2

from sam2_assets.errors import SettingsError
from sam2_assets.sample.backgrounds import place_name
from sam2_assets.sample.choreography import FPS, HEIGHT, PERIOD, WIDTH
from sam2_assets.sample.document import Record, Session, annotations_json, metadata_json, sampled_indices, to_grid
from sam2_assets.sample.film import read_film, write_film
from sam2_assets.sample.overlay import burn_in
from sam2_assets.sample.paint import Image
from sam2_assets.sample.stage import DrawnFrame, Stage

DEMO_FPS_CHOICES = (1, 2, 5, 10, 15, 30)
"""Whole rates that the demo's export dialogue offers."""

_TRACK_TAIL = 4
_ZIP_DATE = (2026, 1, 1, 9, 0, 0)
_PNG_LEVEL = 3
_BOX_OF_NOTHING = (0, 0, 0, 0)


@dataclass(frozen=True)
class SampleVideo:
    """One written video.

    Args:
        name: of the place it plays in; also the files' stem.
        export: the ZIP, as the demo's exporter writes it.
        source: the clean video beside it.
        truth: JSON lines, one an object a frame, for every frame of the video (annotated or not):
            ``{"frame_index", "object_id", "label", "box", "area"}``; ``box`` is ``[x, y, w, h]`` and ``area`` a count,
            both in frame pixels, from the mask at full resolution; zeros for an object that is tracked but hidden.
        labels: the classes annotated in it, sorted.
    """

    name: str
    export: Path
    source: Path
    truth: Path
    labels: tuple[str, ...]


@dataclass(frozen=True)
class _Job:
    out: Path
    seed: int
    video: int
    frames: int
    target_fps: int


def write_sample(
    out: Path,
    *,
    seed: int = 0,
    videos: int = 8,
    on_progress: Callable[[str], None] | None = None,
    workers: int = 2,
    frames: int = PERIOD,
    target_fps: int = 15,
) -> list[SampleVideo]:
    """Write ``<name>.zip`` and ``<name>.mp4`` for every video into ``out``, and ``truth/<name>.jsonl``.

    The same seed gives the same bytes, whatever ``workers`` is. Files appear under their names only when complete.

    Args:
        out: folder; made if absent, files of the same names are replaced.
        seed: decides everything drawn.
        videos: how many; label balance is exact for multiples of 8 (see ``choreography``).
        on_progress: called with one line of text after each video.
        workers: processes; 1 draws in this process.
        frames: length of each video at 24 frames a second; the demo's limit is 240.
        target_fps: as chosen in the demo's export dialogue, where the video is taken to have 30 frames a second: 15
            annotates every second frame.

    Raises:
        SettingsError: a number that makes no video, or a rate that the demo does not offer.
    """
    for field, value in (("videos", videos), ("frames", frames), ("workers", workers)):
        if value < 1:
            raise SettingsError(
                "sample_number", "must be at least 1", field=field, value=value, remedy="Give 1 or more."
            )
    if seed < 0:
        raise SettingsError("sample_number", "must not be negative", field="seed", value=seed, remedy="Give 0 or more.")
    if target_fps not in DEMO_FPS_CHOICES:
        choices = ", ".join(map(str, DEMO_FPS_CHOICES))
        raise SettingsError(
            "sample_rate",
            "the demo does not offer this rate",
            field="target_fps",
            value=target_fps,
            remedy=f"Give one of {choices}.",
        )
    (out / "truth").mkdir(parents=True, exist_ok=True)
    jobs = [_Job(out, seed, video, frames, target_fps) for video in range(videos)]
    written: dict[int, SampleVideo] = {}
    for video, sample in _run(jobs, workers):
        written[video] = sample
        if on_progress is not None:
            on_progress(f"{len(written)} of {videos}: {sample.name} shows {', '.join(sample.labels)}")
    return [written[video] for video in range(videos)]


def _run(jobs: list[_Job], workers: int) -> Iterator[tuple[int, SampleVideo]]:
    """Do the jobs, in this process or in several; yields each video's number and result as it is done."""
    if min(workers, len(jobs)) == 1:
        for job in jobs:
            yield job.video, _write_video(job)
        return
    # Spawned, not forked: the caller may hold threads (Dagster's, OpenCV's) that a fork would break.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context, initializer=_start_worker) as pool:
        with _deaf_to_ctrl_c():
            pending = {pool.submit(_write_video, job): job.video for job in jobs}
        try:
            for done in as_completed(pending):
                yield pending[done], done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _start_worker() -> None:
    """One thread a process; and Ctrl-C, which a terminal sends to all of them, ends it without a word."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Processes started here ignore Ctrl-C until they are ready to obey it: half started, they would print a traceback.

    Only the main thread may say so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)


def _write_video(job: _Job) -> SampleVideo:
    """Draw one video and write its three files, each under a temporary name first."""
    name = place_name(job.video)
    source, export = job.out / f"{name}.mp4", job.out / f"{name}.zip"
    truth = job.out / "truth" / f"{name}.jsonl"
    session = Session(
        key=f"{job.seed}/{job.video}",
        width=WIDTH,
        height=HEIGHT,
        total_frames=job.frames,
        target_fps=job.target_fps,
        frame_indices=sampled_indices(job.frames, job.target_fps),
    )
    sampled = set(session.frame_indices)
    records: dict[int, list[Record]] = {}
    last_seen: dict[int, int] = {}
    lines: list[str] = []

    def drawn_frames() -> Iterator[Image]:
        stage = Stage(job.seed, job.video)
        for index in range(job.frames):
            drawn = stage.draw(index)
            found = _tracked(drawn, index, last_seen, lines)
            if index in sampled:
                records[index] = found
            yield drawn.rgb

    partial = [_partial(path) for path in (source, truth, export)]
    write_film(partial[0], drawn_frames(), fps=FPS)
    partial[1].write_text("".join(lines), encoding="utf-8")
    _write_export(partial[2], session, records, partial[0])
    for temporary, final in zip(partial, (source, truth, export), strict=True):
        temporary.replace(final)
    labels = tuple(sorted({record.label for found in records.values() for record in found}))
    return SampleVideo(name, export, source, truth, labels)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _tracked(drawn: DrawnFrame, index: int, last_seen: dict[int, int], lines: list[str]) -> list[Record]:
    """The frame's records; an object out of sight is still tracked, with an empty mask, for a few frames."""
    found = []
    for shown in drawn.objects:
        area = shown.area
        if area:
            last_seen[shown.object_id] = index
        elif index - last_seen.get(shown.object_id, index - _TRACK_TAIL - 1) > _TRACK_TAIL:
            continue
        truth = {
            "frame_index": index,
            "object_id": shown.object_id,
            "label": shown.label,
            "box": list(shown.box if area else _BOX_OF_NOTHING),
            "area": area,
        }
        lines.append(json.dumps(truth) + "\n")
        found.append(Record(shown.object_id, shown.label, to_grid(shown.mask)))
    return found


def _write_export(path: Path, session: Session, records: dict[int, list[Record]], film: Path) -> None:
    """The ZIP: both documents, then a picture of every annotated frame that has records."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:

        def put(member: str, data: bytes) -> None:
            entry = zipfile.ZipInfo(member, _ZIP_DATE)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
            archive.writestr(entry, data)

        put("annotations.json", annotations_json(session, records))
        put("metadata.json", metadata_json(session, records))
        # Pictures come from the encoded video, as the demo's do: it never sees the frames before encoding.
        for index, bgr in enumerate(read_film(film)):
            if found := records.get(index):
                painted = burn_in(bgr, [(record.label, record.grid) for record in found])
                _, png = cv2.imencode(".png", painted, [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL])
                put(f"images/frame_{index:06d}.png", png.tobytes())
