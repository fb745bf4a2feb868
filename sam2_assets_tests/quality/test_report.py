"""The report says what was found, needs nothing beside itself, and trusts no label."""

from __future__ import annotations

import io
import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sam2_assets.pixels import PICTURES_FILE
from sam2_assets.quality import FindingsTable, QualitySettings, assess, preview_picture, report_page, write_report
from sam2_assets.quality.context import Context
from sam2_assets.tables import ImageOrigin, Tables
from sam2_assets_tests.quality.videos import Track, Video, make_video, rectangle

HOSTILE = '<script>alert(1)</script> | $\\frac{ "犬" <img src="http://x/y.png">'


class Page(HTMLParser):
    """What a browser would load, run and show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.text = ""
        self.alts: list[str] = []
        self.header_scopes: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.alts += [dict(attrs).get("alt") or "" for _ in [tag] if tag == "img"]
        self.header_scopes += [dict(attrs).get("scope") for _ in [tag] if tag == "th"]
        self.sources += [value or "" for name, value in attrs if name in {"src", "srcset", "data"}]
        self.sources += [value or "" for name, value in attrs if name == "href" and tag != "a"]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Video:
    tracks = {
        0: Track(mask=lambda i: None if i == 9 else rectangle(10, 12, 14, 10)),
        1: Track("object_1", lambda i: rectangle(40, 30, 8, 8)),
        2: Track(HOSTILE, lambda i: rectangle(30, 2, 8 * (i != 5), 8)),
    }
    return make_video(tmp_path_factory.mktemp("spoilt") / "v", tracks, origin=ImageOrigin.EXPORT_OVERLAY)


def report(video: Video, out: Path, tables: Tables | None = None, **settings: object) -> Path:
    chosen = QualitySettings.model_validate(settings)
    out.mkdir()
    tables = tables or video.tables
    write_report(assess(tables, video.folder, chosen), tables, video.folder, out)
    return out


@pytest.fixture(scope="module")
def written(spoilt: Video, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report(spoilt, tmp_path_factory.mktemp("report") / "r", waivers={"burnt_in_overlay": "a <b>test</b>"})


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_page_loads_nothing_from_elsewhere_and_runs_no_label(written: Path) -> None:
    page = Page((written / "report.html").read_text(encoding="utf-8"))
    assert page.sources
    assert all(re.match("data:image/(png|jpeg);base64,", source) for source in page.sources)
    assert "script" not in page.tags
    assert HOSTILE in page.text
    assert "url(" not in (written / "report.html").read_text(encoding="utf-8")


def test_the_page_names_gates_findings_remedies_and_waivers(written: Path) -> None:
    text = Page((written / "report.html").read_text(encoding="utf-8")).text
    for words in ("object 0 (dog) is in frames 24 and 30 but not in 27", "a <b>test</b>", "What to do:"):
        assert words in text
    # Whether the splits' own gates are open is not known here: the page must not say that training goes on.
    assert "not stopped by a check on this page; the splits have gates of their own" in text


def test_every_picture_has_words_for_those_who_do_not_see_it_and_every_header_says_what_it_heads(written: Path) -> None:
    page = Page((written / "report.html").read_text(encoding="utf-8"))
    assert len(page.alts) > 10
    assert all(page.alts)
    assert page.header_scopes
    assert set(page.header_scopes) <= {"col", "row"}


def test_the_head_says_what_stops_the_training_what_to_do_and_how_to_accept_it(spoilt: Video, tmp_path: Path) -> None:
    out = report(spoilt, tmp_path / "r")
    text = " ".join(Page((out / "report.html").read_text(encoding="utf-8")).text.split())
    head = text[: text.index("Summary")]
    assert "Stopped before training" in head
    assert "is stopped by burnt in overlay" in head
    assert "Put the source video beside the export" in head
    accept = 'sam2-assets settings PARTITION --set "quality.waivers.burnt_in_overlay=YOUR REASON"'
    assert accept in text
    assert accept in (out / "report.md").read_text(encoding="utf-8")


def test_every_number_of_the_page_is_the_tables(spoilt: Video, written: Path) -> None:
    html = (written / "report.html").read_text(encoding="utf-8")
    present = spoilt.objects[~spoilt.objects["empty"]]
    assert {name: int(number) for number, name in re.findall(r"<b>(\d+)</b><span>([^<]+)</span>", html)} == {
        "annotated frames": len(spoilt.frames),
        "annotations": len(spoilt.objects),
        "usable frames": present["frame_index"].nunique(),
        "annotations with a mask": len(present),
        "objects": spoilt.objects["object_id"].nunique(),
        "classes": spoilt.objects["label"].nunique(),
    }
    table = pd.read_parquet(written / "findings.parquet")
    counted = re.findall(r'id="(\w+)">\s*<h3>[^<]*</h3>\s*<span class="badge count">(\d+) finding', html)
    assert dict(counted) == {check: str(count) for check, count in table["check"].value_counts().items()}
    number = '<td class="n">([0-9]+)</td>'
    row = f'<th scope="row"><bdi>([^<]*)</bdi></th><td>.*?</td>{number}<td>.*?</td>{number}'
    classes = re.findall(row, html)
    assert {unescape(label): (int(n), int(frames)) for label, n, frames in classes} == {
        label: (len(mine), mine["frame_index"].nunique()) for label, mine in present.groupby("label")
    }


def test_a_long_list_is_cut_with_its_count_and_is_whole_in_the_files(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v", {0: Track("=" + "x" * 5000)}, frames=60, origin=ImageOrigin.EXPORT_OVERLAY)
    out = report(video, tmp_path / "r", max_overlap_iou=0.5)
    html = (out / "report.html").read_text(encoding="utf-8")
    text = Page(html).text
    assert "The first 50 of 60 findings" in text
    assert text.count("masks and labels are painted into") == 5 + 50 + 3, "examples, list, pictures"
    assert "x" * 400 not in html
    table = pd.read_csv(out / "findings.csv", encoding="utf-8-sig")
    assert (table["check"] == "burnt_in_overlay").sum() == 60


def test_no_cell_of_the_spreadsheet_is_a_formula(spoilt: Video, tmp_path: Path) -> None:
    found = assess(spoilt.tables, spoilt.folder, QualitySettings())
    found.table.loc[0, "message"] = '=HYPERLINK("http://x")'
    (tmp_path / "r").mkdir()
    write_report(found, spoilt.tables, spoilt.folder, tmp_path / "r")
    assert pd.read_csv(tmp_path / "r" / "findings.csv", encoding="utf-8-sig").loc[0, "message"].startswith("'=")


def test_the_page_alone_is_the_one_that_is_written(spoilt: Video, written: Path) -> None:
    settings = QualitySettings(waivers={"burnt_in_overlay": "a <b>test</b>"})
    page = report_page(assess(spoilt.tables, spoilt.folder, settings), spoilt.tables, spoilt.folder)
    assert page == (written / "report.html").read_text(encoding="utf-8")


def test_a_stopped_station_keeps_the_later_one_waiting(spoilt: Video, tmp_path: Path) -> None:
    objects = spoilt.objects.copy()
    objects.loc[0, "box_w"] = 30.0
    out = report(spoilt, tmp_path / "r", Tables(spoilt.frames, objects), waivers={"burnt_in_overlay": "test"})
    text = (out / "report.md").read_text(encoding="utf-8")
    assert "**instruction_dataset**: stopped by `box_matches_mask`" in text
    assert "**training_plan**: waits for instruction_dataset" in text


def test_markdown_shows_labels_as_text_and_pictures_that_exist(written: Path) -> None:
    text = (written / "report.md").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "<img" not in text
    shown = re.findall(r"\]\((pictures/[^)]+)\)", text)
    assert len(shown) > 5
    assert all((written / name).is_file() for name in shown)
    assert {p.name for p in (written / "pictures").iterdir()} == {name.removeprefix("pictures/") for name in shown}
    row = next(line for line in text.splitlines() if line.startswith("| 1 |"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 7, "a | in a label does not open a column"


def test_quality_json_holds_verdicts_thresholds_and_waivers(written: Path) -> None:
    quality = json.loads((written / "quality.json").read_text(encoding="utf-8"))
    assert quality["video_id"] == "v1"
    assert quality["gates"]["training_plan"] == {"passed": True, "stopped_by": []}
    assert quality["waivers"] == {"burnt_in_overlay": "a <b>test</b>"}
    assert quality["thresholds"]["max_overlap_iou"] == 0.7
    vanished = next(v for v in quality["verdicts"] if v["check_id"] == "object_vanishes")
    assert (vanished["passed"], vanished["count"]) == (False, 2)
    assert quality["counts"] == {
        "frames": 24,
        "objects": 71,
        "usable_frames": 24,
        "present_objects": 70,
        "tracks": 3,
        "classes": 3,
    }


def test_findings_parquet_reads_back_in_its_schema(written: Path) -> None:
    table = pd.read_parquet(written / "findings.parquet")
    FindingsTable.validate(table)
    assert (table["check"] == "burnt_in_overlay").sum() == 24


def test_the_same_input_gives_the_same_bytes(spoilt: Video, written: Path, tmp_path: Path) -> None:
    again = report(spoilt, tmp_path / "r", waivers={"burnt_in_overlay": "a <b>test</b>"})
    assert files(again) == files(written)


def test_no_file_names_the_machine(spoilt: Video, written: Path) -> None:
    for name, content in files(written).items():
        assert str(spoilt.folder).encode() not in content, name


def test_unsound_tables_are_reported_without_pictures(spoilt: Video, tmp_path: Path) -> None:
    out = report(spoilt, tmp_path / "r", Tables(spoilt.frames.drop(columns="width"), spoilt.objects))
    assert not list((out / "pictures").iterdir())
    assert "not measured" in (out / "report.html").read_text(encoding="utf-8")


def test_a_video_without_pictures_and_objects_is_reported(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v", {})
    for name in video.frames["image"]:
        (video.folder / name).unlink()
    out = report(video, tmp_path / "r")
    assert "No usable frame" in (out / "report.html").read_text(encoding="utf-8")


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=int)


def test_a_preview_draws_the_object_where_it_is(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v", {0: Track(mask=lambda i: rectangle(16, 24, 16, 12))})
    plain = make_video(tmp_path / "w", {0: Track(mask=lambda i: rectangle(16, 24, 0, 0))})
    drawn, bare = (pixels(preview_picture(v.tables, v.folder, [0], width=640)) for v in (video, plain))
    ys, xs = np.nonzero(np.abs(drawn - bare).sum(axis=2))
    assert drawn.shape[1] == 640
    scale = 640 / 64
    assert (xs.min(), xs.max() + 1) == (16 * scale, 32 * scale)
    assert ys.max() + 1 == 36 * scale
    assert 24 * scale - 26 <= ys.min() <= 24 * scale, "the label stands on the box"


def test_a_preview_shows_frames_without_picture_in_grey(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v", {})
    video.picture(1).unlink()
    sheet = pixels(preview_picture(video.tables, video.folder, [0, 3], width=640))
    left, right = sheet[5:60, 5:90], sheet[5:60, 330:400]
    assert left.std() > 20
    assert right.std() == 0


@pytest.mark.parametrize("frames", [[], [1]])
def test_a_preview_of_frames_that_are_not_there_is_refused(tmp_path: Path, frames: list[int]) -> None:
    video = make_video(tmp_path / "v")
    with pytest.raises(ValueError, match="frame"):
        preview_picture(video.tables, video.folder, frames)


def test_brightness_and_sharpness_are_shown_over_time_where_the_import_measured_them(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v", frames=8)
    assert not (report(video, tmp_path / "without") / "pictures" / "picture_measures.png").exists()
    measured = Context(video.tables, video.folder, QualitySettings()).pictures
    measured = measured.drop(columns=["image", "frame_w", "frame_h"])
    for name, brightness in (("dark", 0.1), ("bright", 0.9)):
        problems = ["unreadable" if i == 2 else "" for i in range(8)]
        measured.assign(brightness=brightness, blur=0.3, problem=problems).to_parquet(video.folder / PICTURES_FILE)
        out = report(video, tmp_path / name)
        assert "Brightness and sharpness of the pictures" in (out / "report.html").read_text(encoding="utf-8")
        assert "pictures/picture_measures.png" in (out / "report.md").read_text(encoding="utf-8")
    charts = [(tmp_path / name / "pictures" / "picture_measures.png").read_bytes() for name in ("dark", "bright")]
    assert charts[0] != charts[1]
