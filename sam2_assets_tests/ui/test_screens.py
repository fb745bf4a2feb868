"""What a person sees in the Dagster UI, in a real browser; every test leaves its screenshot in var/screenshots."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from sam2_assets.assets.lineage import current
from sam2_assets.assets.scope import CORPUS, PLAN_GATES, VIDEO, Scope
from sam2_assets.automation.jobs import JOBS
from sam2_assets.checks.gates import verdict
from sam2_assets.cli.targets import STATIONS
from sam2_assets.definitions import defs
from sam2_assets_tests.ui.browser import PATIENCE_MS, Screen
from sam2_assets_tests.ui.conftest import ShownHome

pytestmark = pytest.mark.xdist_group("trained")
expect.set_options(timeout=PATIENCE_MS)
ONLY_PER_VIDEO = {"raw_export", "instruction_dataset", "quality_report"}


def checks_of(scope: Scope, asset: str) -> list[str]:
    keys = defs.resolve_asset_graph().asset_check_keys
    return sorted(key.name for key in keys if key.asset_key == scope.key(asset))


def test_the_graph_shows_the_line_per_video_and_for_the_corpus_with_its_checks(screen: Screen) -> None:
    # Wide enough that the nodes are drawn in full: zoomed out, Dagster leaves their rows away.
    screen.page.set_viewport_size({"width": 3000, "height": 1300})
    screen.open("/asset-groups?expanded=global@global:corpus,global@global:video")
    nodes = screen.page.locator("foreignObject").filter(has_text="Asset checks")
    expect(nodes).to_have_count(15)
    for name in STATIONS:
        of_name = nodes.filter(has=screen.page.get_by_text(name, exact=True))
        scopes = [VIDEO] if name in ONLY_PER_VIDEO else [VIDEO, CORPUS]
        expect(of_name).to_have_count(len(scopes))
        for number in {len(checks_of(scope, name)) for scope in scopes} - {0}:
            expect(of_name.filter(has_text=re.compile(rf"Asset checks\d+ / {number} Passed")).first).to_be_visible()
    expect(nodes.get_by_text("Loading...")).to_have_count(0)
    expect(nodes.filter(has_text="3 partitions")).to_have_count(9)
    screen.keep("graph")


def test_an_import_shows_masks_and_boxes_its_counts_and_what_was_repaired(screen: Screen, shown: ShownHome) -> None:
    screen.open_partition("raw_export", shown.trained)
    expect(screen.page.get_by_text("Materialized", exact=True)).to_be_visible()
    expect(screen.entry("frames").get_by_role("cell").nth(1)).to_have_text("40")
    expect(screen.entry("labels").get_by_role("columnheader", name="share")).to_be_visible()
    expect(screen.entry("repairs").get_by_text("box_recomputed")).to_be_visible()
    screen.keep("raw_export")
    (preview,) = screen.pictures(screen.show_markdown("preview"))
    screen.keep("preview")
    assert preview.width == 900
    assert preview.shown_width <= preview.width
    assert preview.colours > 1000


def test_the_checks_of_an_import_are_listed_with_their_verdicts(screen: Screen, shown: ShownHome) -> None:
    screen.open_check("raw_export", "empty_mask")
    names = checks_of(VIDEO, "raw_export")
    # The list holds only what is in view, and more when it is scrolled.
    listed = [name for name in names if screen.page.get_by_text(name, exact=True).count()]
    assert len(listed) >= 5
    expect(screen.page.get_by_text("Succeeded", exact=True).first).to_be_visible()
    expect(screen.page.get_by_text(f"Checks ({len(names)})")).to_be_visible()
    expect(screen.page.get_by_text("Objects whose mask has no pixel")).to_be_visible()
    expect(screen.page.get_by_role("cell", name=re.compile("the mask of object . .* is empty")).first).to_be_visible()
    screen.keep("raw_export_checks")


def test_the_quality_report_is_readable_with_its_pictures(screen: Screen, shown: ShownHome) -> None:
    screen.open_partition("quality_report", shown.trained)
    report = screen.show_markdown("report")
    expect(report.get_by_role("heading", name=re.compile("Quality of "))).to_be_visible()
    expect(report.get_by_role("heading", name="Recommendations")).to_be_visible()
    expect(report.get_by_role("row", name=re.compile("Usable frames"))).to_contain_text("40")
    pictures = screen.pictures(report)
    screen.keep("quality_report")
    assert len(pictures) >= 5
    assert min(picture.width for picture in pictures) >= 300


def test_a_trained_adapter_shows_its_loss_curve(screen: Screen, shown: ShownHome) -> None:
    screen.open_partition("lora_adapter", shown.trained)
    expect(screen.entry("steps").get_by_role("cell").nth(1)).to_have_text("6")
    expect(screen.entry("approved_by")).to_contain_text("a test")
    (curve,) = screen.pictures(screen.show_markdown("loss_curve"))
    screen.keep("loss_curve")
    assert curve.width >= 600
    assert curve.colours > 50


def test_an_evaluation_shows_the_scoreboard_beside_its_baselines_and_cases(screen: Screen, shown: ShownHome) -> None:
    screen.open_partition("evaluation", shown.trained)
    board = screen.show_markdown("scoreboard")
    for column in ("fine-tuned", "base model", "control", "majority"):
        expect(board.get_by_role("columnheader", name=column, exact=True)).to_be_visible()
    expect(board.get_by_role("row", name=re.compile("main_object label accuracy"))).to_be_visible()
    cases = screen.pictures(board)
    screen.keep("scoreboard")
    assert len(cases) == 4
    assert min(case.width for case in cases) >= 300


def test_the_model_card_starts_with_its_title(screen: Screen, shown: ShownHome) -> None:
    screen.open_partition("model_card", shown.trained)
    card = screen.show_markdown("card")
    expect(card.get_by_role("heading").first).to_contain_text(shown.trained)
    expect(card.get_by_text("library_name")).to_have_count(0)
    screen.keep("model_card")


def test_a_rejected_video_says_why_and_what_to_do_and_goes_no_further(screen: Screen, shown: ShownHome) -> None:
    with shown.home.platform() as platform:
        splits = current(platform.instance, VIDEO.key("splits"), shown.rejected)
        assert splits is not None
        gate = verdict(platform.instance, VIDEO.gate("splits", "burnt_in_overlay"), splits)
        assert gate is not None
        assert gate.evaluation is not None
        why = str(gate.evaluation.metadata["message"].value)
    screen.open_check("splits", "burnt_in_overlay")
    page = screen.page
    expect(page.get_by_text("This is a blocking asset check")).to_be_visible()
    expect(page.get_by_text(why).first).to_be_visible()
    expect(page.get_by_text("Put the source video beside the export").first).to_be_visible()
    expect(page.get_by_text(shown.rejected, exact=True).first).to_be_visible()
    screen.keep("rejected")
    screen.open(f"/assets/training_plan?view=partitions&partition={shown.rejected}")
    expect(page.get_by_text("failed, and did not materialize this asset")).to_be_visible()
    expect(page.get_by_text("No metadata entries")).to_be_visible()
    screen.keep("rejected_plan")


def test_the_launchpad_explains_every_field_and_refuses_a_wrong_one(screen: Screen, shown: ShownHome) -> None:
    page = screen.page
    screen.open(f"/assets/training_plan?view=partitions&partition={shown.trained}")
    materialize = page.get_by_role("button", name=re.compile("Materialize"))
    materialize.first.locator("xpath=following::button[1]").click()
    page.get_by_role("menuitem", name="Open launchpad").click()
    editor = page.locator(".CodeMirror").first

    def write(text: str) -> None:
        editor.click()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text(text)

    write("ops:\n  training_plan:\n    config:\n      ")
    for meaning in (
        "rank of the update matrices, 1 to 512; more learns more and costs memory; above 512 a layer's update is no "
        "longer low-rank (default: 16)",
        "a folder on this machine, or a model id of a hub (default: llava-hf/llava-1.5-7b-hf)",
        "a plan above this is refused, and a run that would need more stops with a checkpoint (default: 24.0)",
    ):
        expect(page.get_by_text(meaning)).to_be_visible()
    screen.keep("launchpad")
    write("ops:\n  training_plan:\n    config:\n      lora: {rank: many}\n")
    expect(page.get_by_text("Invalid scalar at path root:ops:training_plan:config:lora:rank")).to_be_visible()
    write("ops:\n  training_plan:\n    config:\n      lora: {rank: 8}\n")
    expect(page.get_by_text("No errors", exact=True)).to_be_visible()


def test_jobs_and_the_sensor_are_listed_though_no_daemon_runs(screen: Screen) -> None:
    screen.open("/automation")
    expect(screen.page.get_by_role("link", name=re.compile("inbox"))).to_be_visible()
    screen.keep("automation")
    screen.open("/jobs")
    for job in JOBS:
        # The icon that explains a job comes a moment after its name, and is then the end of the link's name.
        expect(screen.page.get_by_role("link", name=re.compile(rf"\b{job.name}( info)?$"))).to_be_visible()
    screen.keep("jobs")


def test_the_plan_shows_its_estimate_and_its_gates(screen: Screen, shown: ShownHome) -> None:
    screen.open_partition("training_plan", shown.trained)
    for figure in ("steps", "memory_gib", "gpu_hours", "cost"):
        expect(screen.entry(figure)).to_be_visible()
    screen.keep("training_plan")
    screen.open_check("training_plan", "fits_card")
    for name in PLAN_GATES:
        expect(screen.page.get_by_text(name, exact=True).first).to_be_visible()
