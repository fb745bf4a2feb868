"""``python -m sam2_assets_tests.ui.pause_pictures FOLDER``: a training that is paused and resumed, as the UI shows it.

A real training is launched through the queue, terminated by the buttons of its run's page once it has checkpoints, and
re-executed by them. The pictures of docs/training.md are those that this saves. It ends with an error if the second
run does not go on from the checkpoint of the first. A few minutes; no part of ``make test``.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
from playwright.sync_api import Locator, Page, expect, sync_playwright

from sam2_assets.assets.scope import VIDEO
from sam2_assets.automation.jobs import train_video
from sam2_assets.automation.settings import SWITCH
from sam2_assets.cli.instance import Platform, add_partition, daemon_is_up
from sam2_assets.cli.webserver import UI_VARIABLE, WebServer, find_web_server
from sam2_assets.sample import write_sample
from sam2_assets_tests.conftest import TINY_SETTINGS, Home, approve_plan, new_home, submit
from sam2_assets_tests.free_port import free_port
from sam2_assets_tests.training.tiny_models import build_tiny_llava
from sam2_assets_tests.ui.browser import FLAGS, Screen, installed_browser
from sam2_assets_tests.user_interface import user_interface

STEPS = 1000
PAUSED_AFTER = 100
_LONGER = {
    "max_steps: 6": f"max_steps: {STEPS}",
    "evaluate_every_steps: 3": "evaluate_every_steps: 500",
    "checkpoints: {every_steps: 2, keep: 2}": "checkpoints: {every_steps: 50, keep: 2}",
}
_PATIENCE_S = 900.0
_PAGE_MS = 240_000


def prepared(folder: Path) -> tuple[Home, str]:
    """A home with an approved plan of a training that takes a minute or two; and its partition."""
    settings = TINY_SETTINGS.replace("training:\n", f"training:\n  base_model: {build_tiny_llava(folder / 'base')}\n")
    for short, long in _LONGER.items():
        assert short in settings
        settings = settings.replace(short, long)
    home = new_home(folder / "home")
    home.write_settings(settings)
    (video,) = write_sample(folder / "sample", seed=3, videos=1, target_fps=5, workers=1)
    with home.platform() as platform:
        partition = submit(platform, video)
        add_partition(platform.instance, partition)
        outcome = home.run(platform, "ingest", partition)
        assert outcome.success, outcome.reasons
        approve_plan(platform, VIDEO, partition)
    return home, partition


def wait_for(found: Callable[[], Any]) -> Any:
    """What ``found`` returns once that is true.

    Raises:
        TimeoutError: it never was.
    """
    end = time.monotonic() + _PATIENCE_S
    while not (value := found()):
        if time.monotonic() > end:
            raise TimeoutError(f"never: {found}")
        time.sleep(0.5)
    return value


def told(instance: dg.DagsterInstance, run_id: str) -> list[dict[str, Any]]:
    """What the training child told, as the run's observations have it, oldest first."""
    found = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_OBSERVATION, limit=1000).records
    events = [record.event_log_entry.get_dagster_event() for record in found]
    seen = [event.asset_observation_data.asset_observation.metadata for event in events]
    return [{name: value.value for name, value in metadata.items()} for metadata in seen]


def furthest(instance: dg.DagsterInstance, run_id: str) -> int:
    """The last step that a run has told of."""
    return max((int(report.get("step", 0)) for report in told(instance, run_id)), default=0)


def pause_and_resume(screen: Screen, platform: Platform, server: WebServer, partition: str) -> tuple[int, int]:
    """Take the pictures; the last step that was told before the pause, and the one that the second run began with."""
    instance, page = platform.instance, screen.page
    first = server.launch(train_video.name, partition)
    screen.open(f"/runs/{first}")
    wait_for(lambda: furthest(instance, first) >= PAUSED_AFTER)
    _button(page, "^Terminate$").click()
    button = page.get_by_role("button", name="Terminate 1 run")
    expect(button).to_be_visible()
    screen.keep("pause")
    button.click()
    _button(page, "^Done$").click()
    _ended(instance, first, dg.DagsterRunStatus.CANCELED)
    expect(page.get_by_text("Canceled", exact=True).first).to_be_visible()
    paused = furthest(instance, first)
    _open_reexecution(page)
    screen.keep("resume")
    before = {run.run_id for run in instance.get_runs()}
    page.get_by_role("menuitem", name=re.compile("All steps in root run|Re-execute all|From failure")).first.click()
    (second,) = wait_for(lambda: [r.run_id for r in instance.get_runs() if r.run_id not in before])
    screen.open(f"/runs/{second}")
    _ended(instance, second, dg.DagsterRunStatus.SUCCESS)
    begun = next(int(report["step"]) for report in told(instance, second) if "step" in report)
    expect(page.get_by_text("Success", exact=True).first).to_be_visible()
    screen.keep("resumed")
    return paused, begun


def _ended(instance: dg.DagsterInstance, run_id: str, how: dg.DagsterRunStatus) -> None:
    def ended() -> bool:
        run = instance.get_run_by_id(run_id)
        return run is not None and run.is_finished

    wait_for(ended)
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status is how, run.status


def _button(page: Page, words: str) -> Locator:
    """By what it shows: its accessible name begins with that of its icon."""
    return page.get_by_role("button").filter(has_text=re.compile(words))


def _open_reexecution(page: Page) -> None:
    """The menu beside the button."""
    again = _button(page, "^Re-execute").first
    expect(again).to_be_visible()
    again.locator("xpath=following::button[1]").click()
    expect(page.get_by_role("menuitem").first).to_be_visible()


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m sam2_assets_tests.ui.pause_pictures", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    pictures: Path = parser.parse_args().folder
    pictures.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=_PAGE_MS)
    # Nothing starts by itself: the approved plan is launched once, by us.
    os.environ[SWITCH] = "off"
    port = free_port()
    os.environ[UI_VARIABLE] = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        home, partition = prepared(Path(place).resolve())
        with home.platform() as platform, user_interface(home, port), sync_playwright() as playwright:
            wait_for(lambda: daemon_is_up(platform.instance))
            server: WebServer = wait_for(lambda: find_web_server(platform.instance))
            browser = playwright.chromium.launch(executable_path=installed_browser(), args=FLAGS)
            context = browser.new_context(base_url=server.address, viewport={"width": 1400, "height": 900})
            context.set_default_timeout(_PAGE_MS)
            screen = Screen(context.new_page(), pictures)
            try:
                paused, begun = pause_and_resume(screen, platform, server, partition)
            except Exception:
                screen.keep("failed")
                raise
            browser.close()
    print(f"paused after step {paused} at least, resumed: first told of step {begun}")
    assert begun >= paused - 50, "it began anew"


if __name__ == "__main__":
    main()
