"""What was read and repaired is told as it is recorded, in words, and nothing is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sam2_assets.exports import read_export
from sam2_assets.exports.settings import ImportSettings
from sam2_assets.quality import QualitySettings, assess, write_report
from sam2_assets.quality.provenance import in_words, provenance
from sam2_assets.tables import Tables
from sam2_assets_tests.exports.export_builder import demo_export


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("import")
    archive = demo_export().write(folder / "garden party.zip")
    (folder / "raw").mkdir()
    read_export(archive, folder / "raw", settings=ImportSettings())
    return folder / "raw"


@pytest.fixture(scope="module")
def record(raw: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((raw / "import.json").read_text(encoding="utf-8"))
    return loaded


def test_every_decision_and_every_repair_of_an_import_is_told_with_its_count(record: dict[str, Any]) -> None:
    told = provenance(record)
    assert told.archive == "garden party.zip"
    assert len(told.decisions) == len(record["decisions"])
    assert [repair.count for repair in told.repairs] == [repair["count"] for repair in record["repairs"]]
    (order,) = (d for d in told.decisions if d.what == "Order in which the masks are written")
    evidence = next(d for d in record["decisions"] if d["what"] == "mask_order")["evidence"]
    assert order.choice == "row by row"
    assert f"{evidence['contour_pixels']:,} outline pixels" in order.evidence
    assert f"{evidence['overlay_agreement']['row']:.1%}" in order.evidence


def test_the_report_shows_the_repairs_with_a_picture_of_the_boxes(
    raw: Path, record: dict[str, Any], tmp_path: Path
) -> None:
    tables = Tables.read(raw)
    write_report(assess(tables, raw, QualitySettings()), tables, raw, tmp_path)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<bdi class="name">garden party.zip</bdi>' in html
    assert "Boxes recomputed from the masks" in html
    assert (tmp_path / "pictures" / "boxes.jpg").is_file()
    for repair in record["repairs"]:
        assert f'<td class="n">{repair["count"]}</td>' in html


def test_a_source_video_is_told_with_its_agreement() -> None:
    video = {"name": "dog.mp4", "agreement": {"0": 1.0, "9": 0.9947}, "agreement_needed": 0.9}
    told = provenance({"source_video": video}).source_video
    assert "dog.mp4" in told
    assert "2 sampled frames" in told
    assert "99.5%" in told
    assert "90% needed" in told


def test_frames_without_an_outline_do_not_count_as_evidence() -> None:
    shares = {"0": {"share": 0.99, "pixels": 4}, "6": {"share": None, "pixels": 0}, "9": {"share": 1.0, "pixels": 9}}
    evidence = {"contour_agreement": shares, "clean_below": 0.1}
    (told,) = provenance(
        {"decisions": [{"what": "pictures", "choice": "export_overlay", "evidence": evidence}]}
    ).decisions
    assert told.choice == "masks and names are painted in"
    assert told.evidence.startswith("In 2 sampled frames, 99.0% to 100.0% of the outline pixels")
    nothing = {"contour_agreement": {"6": {"share": None, "pixels": 0}}, "clean_below": 0.1}
    (told,) = provenance({"decisions": [{"what": "pictures", "choice": "missing", "evidence": nothing}]}).decisions
    assert "clean below: 0.1" in told.evidence


def test_what_this_version_has_no_words_for_is_shown_as_recorded() -> None:
    told = provenance(
        {
            "source_video": {"name": "a.mp4", "mapping": {"offset_s": 1.25}},
            "decisions": [
                {"what": "star_sign", "choice": "leo", "evidence": {"moon": [1, 2], "sure": True, "no": None}}
            ],
            "repairs": [{"what": "tea_poured", "count": 3, "why": "it was cold", "examples": [{"frame_index": 4}]}],
        }
    )
    assert told.source_video == "a.mp4: mapping: offset s: 1.25"
    assert (told.decisions[0].what, told.decisions[0].choice) == ("Star sign", "leo")
    assert told.decisions[0].evidence == "moon: [1, 2]; sure: yes"
    assert (told.repairs[0].what, told.repairs[0].examples) == ("Tea poured", (("frame 4", "", ""),))


def test_evidence_by_frame_is_told_as_its_range() -> None:
    assert in_words({"0": 0.5, "12": 0.75}) == "0.5 to 0.75 in 2 frames"
    assert in_words({"0": {"share": 0.5}, "3": {"share": 1.0}}) == "share 0.5 to 1 in 2 frames"
    assert len(in_words({"long": "x" * 5000})) == 300
