"""What people are told, with real runs, a real SMTP server and a real web server."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from pydantic import ValidationError

from sam2_assets import inbox
from sam2_assets.automation.notification_sensor import MOST_RUNS, Ledger, notification_sensor
from sam2_assets.errors import NotificationError
from sam2_assets.notifications import Event, Kind, NotificationSettings, compose, configured_targets, deliver
from sam2_assets.notifications.ledger import Mark
from sam2_assets.notifications.settings import TARGETS_VARIABLE
from sam2_assets.resources import StoreResource
from sam2_assets.sample import SampleVideo
from sam2_assets_tests.conftest import Home, TrainedHome
from sam2_assets_tests.free_port import free_port
from sam2_assets_tests.notifications.receivers import Mailbox, Webhook, mailbox, webhook

AT_ONCE = "notifications: {every_minutes: 0, ui_url: 'https://dagster.example.org/'}\n"


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox() as started:
        yield started


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as started:
        yield started


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


@pytest.fixture
def store(tmp_path: Path) -> StoreResource:
    (tmp_path / "settings.yaml").write_text(AT_ONCE)
    return StoreResource(root=str(tmp_path))


def tick(instance: dg.DagsterInstance, store: StoreResource) -> str:
    """One evaluation, as the daemon asks for it; what the UI shows beside the tick."""
    outcome = notification_sensor(dg.build_sensor_context(instance=instance, resources={"store": store}))
    assert isinstance(outcome, dg.SkipReason)
    return str(outcome.skip_message)


@dg.op
def works() -> None: ...


@dg.op
def breaks() -> None:
    raise dg.Failure("the disk is full")


@dg.job(executor_def=dg.in_process_executor)
def good() -> None:
    works()


@dg.job(executor_def=dg.in_process_executor)
def bad() -> None:
    breaks()


def run(instance: dg.DagsterInstance, job: dg.JobDefinition, partition: str = "cats-20ae30") -> None:
    job.execute_in_process(instance=instance, tags={"dagster/partition": partition}, raise_on_error=False)


def targets(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    monkeypatch.setenv(TARGETS_VARIABLE, "\n".join(addresses))


def test_nothing_configured_sends_nothing_and_says_what_is_missing(
    instance: dg.DagsterInstance, store: StoreResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TARGETS_VARIABLE, raising=False)
    run(instance, bad)
    assert TARGETS_VARIABLE in tick(instance, store)


def test_of_a_whole_line_people_read_scores_costs_commands_and_remedies_by_mail_and_webhook(
    trained: TrainedHome,
    sample_videos: list[SampleVideo],
    tmp_path: Path,
    box: Mailbox,
    hook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(trained.home.folder, home.folder)
    home.write_settings((home.store / "settings.yaml").read_text() + AT_ONCE)
    targets(monkeypatch, box.address, hook.address)
    export = Path(shutil.copy(sample_videos[0].export, tmp_path / "no-video.zip"))
    with home.platform() as platform:
        instance, store = platform.instance, platform.store
        assert "from now on" in tick(instance, store), "what happened before a target was configured is no news"
        assert not box.mails

        rejected = inbox.submit(store.open().inbox, export).partition
        assert not home.run(platform, "ingest", rejected).success
        tick(instance, store)
        (mail,) = box.mails
        assert (mail["subject"], box.recipients) == (
            f"[sam2_assets] {rejected}: a gate is closed",
            [["team@example.org"]],
        )
        assert "burnt_in_overlay" in box.text()
        assert "to do: " in box.text()
        assert f"sam2-assets settings {rejected} --set" in box.text()
        assert f"https://dagster.example.org/runs/{instance.get_runs()[0].run_id}" in box.text()

        # As if the target had been configured before the first of the trained home's runs.
        Ledger(instance).keep(f"{TARGETS_VARIABLE}[1] (mailto)", Mark(after=0))
        Ledger(instance).keep(f"{TARGETS_VARIABLE}[2] (json)", Mark(after=0))
        tick(instance, store)
        tick(instance, store)
    assert len(box.mails) == len(hook.calls) == 2
    text = box.text()
    # Other tests of this home may have run something, too.
    wanted = r"\[sam2_assets\] a gate is closed, 3 plans wait for approval, \d+ runs finished"
    assert re.fullmatch(wanted, box.mails[1]["subject"])
    for partition in (trained.partition, trained.other, "corpus"):
        assert f"{partition}: a plan of " in text
        assert f"to approve it: sam2-assets approve {partition}\n" in text
    assert "GPU-hours, cost " in text
    assert "https://dagster.example.org/assets/corpus/training_plan\n" in text
    (train,) = (part for part in text.split("\n\n") if part.startswith(f"{trained.partition}: train_video finished"))
    assert "main_object, label accuracy: " in train
    assert "; control " in train
    assert "deploy_image: 2 questions, 1 agreement" in train
    assert [call["title"] for call in hook.calls] == [mail["subject"] for mail in box.mails]
    assert hook.calls[1]["message"].strip() == text.strip()
    print(*(f"{mail['subject']}\n{box.text(n)}" for n, mail in enumerate(box.mails)), sep="\n----\n")


def test_a_failed_run_is_told_once_with_its_reason_whoever_evaluates_the_sensor_next(
    instance: dg.DagsterInstance, store: StoreResource, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets(monkeypatch, box.address)
    tick(instance, store)
    run(instance, bad)
    tick(instance, store)
    # Nothing is kept in this process: the next daemon knows as much as this one.
    tick(instance, store)
    (mail,) = box.mails
    assert mail["subject"] == "[sam2_assets] cats-20ae30: a run failed"
    assert "breaks: the disk is full" in box.text()


def test_a_burst_of_runs_is_two_mails(
    instance: dg.DagsterInstance, store: StoreResource, box: Mailbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "settings.yaml").write_text("notifications: {every_minutes: 60}")
    targets(monkeypatch, box.address)
    tick(instance, store)
    for number in range(30):
        run(instance, bad if number == 29 else good, f"cats-{number:03}")
        if number in (0, 15):
            said = tick(instance, store)
    assert "next message in" in said
    # As if the hour had passed.
    (tmp_path / "settings.yaml").write_text("notifications: {every_minutes: 0}")
    tick(instance, store)
    tick(instance, store)
    assert [mail["subject"] for mail in box.mails] == [
        "[sam2_assets] cats-000: a run finished",
        "[sam2_assets] a run failed, 28 runs finished",
    ]
    text = box.text()
    assert text.index("cats-029: bad failed") < text.index("cats-001: good finished"), "the urgent first"
    assert all(f"cats-{number:03}: " in text for number in range(1, 30))


def test_a_target_that_fails_is_told_later_of_all_and_the_others_are_not_told_twice(
    instance: dg.DagsterInstance,
    store: StoreResource,
    box: Mailbox,
    hook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    targets(monkeypatch, hook.address, box.address)
    tick(instance, store)
    hook.status = 500
    run(instance, good, "a")
    with pytest.raises(NotificationError) as caught:
        tick(instance, store)
    assert f"{TARGETS_VARIABLE}[1] (json)" in str(caught.value)
    assert "500" in str(caught.value)
    assert "s3cr3t-token" not in str(caught.value)
    assert instance.get_runs()[0].is_success, "a run does not suffer from its news"
    run(instance, good, "b")
    hook.status, before = 200, len(hook.calls)
    tick(instance, store)
    assert [mail["subject"] for mail in box.mails] == [
        "[sam2_assets] a: a run finished",
        "[sam2_assets] b: a run finished",
    ]
    assert [call["title"] for call in hook.calls[before:]] == ["[sam2_assets] 2 runs finished"]


def test_a_daemon_killed_while_it_sends_does_not_repeat_the_mail_and_says_so_in_the_next(
    home: Home, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write_settings(AT_ONCE)
    targets(monkeypatch, box.address)
    program = (
        "import dagster as dg\n"
        "from sam2_assets.automation.notification_sensor import notification_sensor\n"
        "from sam2_assets.cli.instance import open_platform\n"
        "with open_platform() as p:\n"
        "    notification_sensor(dg.build_sensor_context(instance=p.instance, resources={'store': p.store}))\n"
    )
    with home.platform() as platform:
        tick(platform.instance, platform.store)
        run(platform.instance, good, "a")
        box.hang = True
        sending = subprocess.Popen([sys.executable, "-c", program], env=home.environment(), cwd=home.folder)
        assert box.received.wait(60)
        os.kill(sending.pid, signal.SIGKILL)
        sending.wait()
        box.hang = False
        assert "1 events may not have arrived" in tick(platform.instance, platform.store)
        run(platform.instance, good, "b")
        tick(platform.instance, platform.store)
        tick(platform.instance, platform.store)
    assert [mail["subject"] for mail in box.mails] == [
        "[sam2_assets] a: a run finished",
        "[sam2_assets] b: a run finished",
    ]
    assert "1 earlier events: they may not have arrived" in box.text()


def test_kinds_that_are_switched_off_are_not_told_and_do_not_come_later(
    instance: dg.DagsterInstance,
    store: StoreResource,
    box: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    targets(monkeypatch, box.address)
    tick(instance, store)
    (tmp_path / "settings.yaml").write_text("notifications: {every_minutes: 0, finished: false}")
    run(instance, good)
    assert "nothing new" in tick(instance, store)
    (tmp_path / "settings.yaml").write_text(AT_ONCE)
    tick(instance, store)
    assert not box.mails


def test_no_failure_says_an_address_aloud_and_no_setting_takes_one() -> None:
    secrets = ("hunter2", "s3cr3t", "T0KEN", "who%40ever", "who@ever")
    addresses = [
        f"mailto://who%40ever:hunter2@127.0.0.1:{free_port()}/?mode=insecure&to=a@example.org",
        f"json://who%40ever:hunter2@127.0.0.1:{free_port()}/s3cr3t?+X-Key=T0KEN",
        "json://",
        "nosuch://hunter2/s3cr3t",
        "hunter2",
    ]
    message = compose([Event(Kind.FINISHED, "a", "a: finished", (), "")])
    found = configured_targets(["ONE", "TWO"], {"TWO": " ".join(addresses)})
    assert [target.name for target in found[:2]] == ["TWO[1] (mailto)", "TWO[2] (json)"]
    for target in found:
        with pytest.raises(NotificationError) as caught:
            deliver(target, message)
        said = f"{caught.value} {target!r} {caught.value.as_dict()}"
        assert not [secret for secret in secrets if secret in said], said
    with pytest.raises(ValidationError, match="an address is a secret"):
        NotificationSettings(variables=["json://127.0.0.1/s3cr3t"])


def test_a_message_stays_readable_however_much_happened() -> None:
    events = [Event(Kind.FAILED, f"p{n}", f"p{n}: failed", ["because"] * 5, f"u/{n}") for n in range(MOST_RUNS)]
    message = compose(events)
    assert len(message.body) < 20_000
    assert f"... and {MOST_RUNS - 200} more." in message.body


def test_the_command_tries_every_target(
    home: Home, box: Mailbox, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TARGETS_VARIABLE, raising=False)
    assert "notifications.variables" in home.command("notify").stderr
    hook.status = 403
    targets(monkeypatch, hook.address, box.address)
    done = home.command("notify")
    assert done.returncode == 2
    assert "[2] (mailto): accepted" in done.stdout
    assert "[1] (json)" in done.stderr
    assert "s3cr3t" not in done.stderr + done.stdout
    assert box.mails[0]["subject"] == "[sam2_assets] a test message"
