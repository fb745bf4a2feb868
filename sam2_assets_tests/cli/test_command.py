"""The command as people type it: real processes, their output, their exit codes, and one line about what went wrong."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import datasets
import httpx
import pytest
import yaml
from PIL import Image
from typer.main import get_command

from sam2_assets import inbox
from sam2_assets.assets.lineage import current
from sam2_assets.assets.scope import VIDEO
from sam2_assets.cli import local_run, platform
from sam2_assets.cli import status as standing
from sam2_assets.cli.activity import PARTITION, under_way
from sam2_assets.cli.app import app
from sam2_assets.cli.targets import require_known
from sam2_assets.errors import SettingsError, StoreError, TrainingError
from sam2_assets.evaluation.job import EvaluationJob
from sam2_assets.inbox import partition_key
from sam2_assets.instructions import VIEWS
from sam2_assets.partitions import videos
from sam2_assets.sample import SampleVideo
from sam2_assets.storage import FolderStorage
from sam2_assets.store import MANIFEST
from sam2_assets.training.plan import PLAN_FILE, Plan
from sam2_assets_tests.conftest import Home, TrainedHome, new_home
from sam2_assets_tests.exports.export_builder import demo_export
from sam2_assets_tests.free_port import free_port

# One worker: the trained home and what these tests make are used by several of them.
pytestmark = pytest.mark.xdist_group("trained")
Done = subprocess.CompletedProcess[str]


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables fold their cells at 80 columns."""
    monkeypatch.setenv("COLUMNS", "200")


def command(*arguments: object, cwd: Path) -> Done:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER", "SAM2"))}
    return subprocess.run(
        [sys.executable, "-m", "sam2_assets", *map(str, arguments)],
        cwd=cwd,
        env={**environment, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def one_line(done: Done, code: int = 2) -> str:
    """What a user error looks like: an exit code, and one line on stderr."""
    assert done.returncode == code, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("sam2-assets: ")
    return line


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A painted export of four frames and two objects."""
    return demo_export().write(tmp_path_factory.mktemp("small") / "small.zip")


# --- without a store ------------------------------------------------------------------------------------------------


def test_sample_writes_an_export_with_its_video_and_says_what_to_do_next(tmp_path: Path) -> None:
    done = command("sample", "--out", tmp_path / "s", "--videos", 1, "--seed", 5, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (export,) = (tmp_path / "s").glob("*.zip")
    assert export.with_suffix(".mp4").is_file()
    following = f"next: sam2-assets inspect {export} --video {export.with_suffix('.mp4')}"
    assert following in done.stdout
    # What it advises works, and finds nothing that stops the line.
    inspected = command(*following.split()[2:], "--json", cwd=tmp_path)
    assert inspected.returncode == 0, inspected.stderr
    report = json.loads(inspected.stdout)
    assert report["video"]["fps_origin"] == "source_video"
    assert len(report["frames"]) == 120
    assert {"video", "frames", "objects", "decisions", "repairs", "warnings", "findings"} == set(report)
    for found in report["objects"]:
        x, y, w, h = found["box"]
        assert 0 <= x <= x + w <= report["video"]["width"]
        assert 0 <= y <= y + h <= report["video"]["height"]


def complaints(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Lines of stderr; on a busy machine the progress of a few pictures is told too."""
    return [line for line in done.stderr.splitlines() if not line.endswith("pictures read and measured")]


def test_inspect_of_painted_pictures_is_readable_but_a_gate_fails(small: Path, tmp_path: Path) -> None:
    done = command("inspect", small, cwd=tmp_path)
    assert (done.returncode, complaints(done)) == (3, [])
    assert "error burnt_in_overlay: " in done.stdout
    assert "info frame_rate_differs: " in done.stdout, "the demo's constant 30 is no warning"
    as_json = command("inspect", small, "--json", cwd=tmp_path)
    assert (as_json.returncode, complaints(as_json)) == (3, [])
    found = {f["check"]: f for f in json.loads(as_json.stdout)["findings"]}
    assert found["burnt_in_overlay"]["gates"] == "training_plan"
    assert not found["burnt_in_overlay"]["passed"]


def test_inspect_tells_the_gates_that_come_later_and_the_way_out(small: Path, tmp_path: Path) -> None:
    said = " ".join(command("inspect", small, cwd=tmp_path).stdout.split())
    assert "training_plan: stopped by burnt_in_overlay, too_few_frames, enough_samples" in said
    assert "lora_adapter: stopped by has_validation_samples;" in said
    assert "splits: 4 train, 0 val, 0 test frames" in said
    assert "Annotate about" in said
    assert "sam2-assets launch plan_corpus" in said
    as_json = json.loads(command("inspect", small, "--json", cwd=tmp_path).stdout)
    found = {f["check"]: f for f in as_json["findings"]}
    assert set(found["enough_samples"]) == set(found["burnt_in_overlay"])
    assert (found["enough_samples"]["gates"], found["enough_samples"]["passed"]) == ("training_plan", False)
    assert found["has_validation_samples"]["gates"] == "lora_adapter"


def test_inspect_measures_the_whole_plan_where_the_settings_name_a_base_model(
    sample_videos: list[SampleVideo], tiny_settings: str, tmp_path: Path
) -> None:
    chosen = tmp_path / "chosen.yaml"
    values = yaml.safe_load(tiny_settings)
    values["training"]["card"] = {"memory_gib": 0.001}
    chosen.write_text(yaml.safe_dump(values))
    video = sample_videos[0]
    done = command("inspect", video.export, "--video", video.source, "--settings", chosen, cwd=tmp_path)
    assert done.returncode == 3, done.stdout
    assert "lora_adapter: stopped by fits_card\n" in done.stdout


def test_inspect_writes_the_report_as_one_page_on_request(small: Path, tmp_path: Path) -> None:
    page = tmp_path / "new folder" / "report.html"
    done = command("inspect", small, "--report", page, cwd=tmp_path)
    assert (done.returncode, complaints(done)) == (3, [])
    assert str(page) in done.stdout
    assert "Stopped before training" in page.read_text(encoding="utf-8")
    assert [path.name for path in page.parent.iterdir()] == [page.name]
    for wrong in (tmp_path, tmp_path / "report.pdf"):
        assert "--report" in one_line(command("inspect", small, "--report", wrong, cwd=tmp_path))


def test_inspect_fits_80_columns_and_prints_a_label_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    export = demo_export()
    for record in export.document["annotations"]:
        for found in record["objects"]:
            found["label"] = "[/bold] [red]fox " + "and so on " * 12 + "\u2067\u5de5\u5177"
    del export.pictures["images/frame_000006.png"]
    done = command("inspect", export.write(tmp_path / "odd.zip"), cwd=tmp_path)
    assert (done.returncode, complaints(done)) == (3, [])
    assert "[/bold] [red]fox" in done.stdout
    assert "noted\n  pictures: 1 of 4 annotated frames have none\n" in done.stdout
    assert "\u2067" not in done.stdout, "a control character could reverse what follows"
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert all(line == line.rstrip() for line in done.stdout.splitlines())


def test_inspect_obeys_a_settings_file_and_refuses_a_wrong_one(small: Path, tmp_path: Path) -> None:
    chosen = tmp_path / "chosen.yaml"
    chosen.write_text(
        "quality: {waivers: {burnt_in_overlay: a trial, too_few_frames: a trial}}\n"
        "splitting: {guard_gap_s: 0.001, min_train_frames: 1, min_val_frames: 1, min_test_frames: 1}\n"
        "training: {batch_size: 1, gradient_accumulation: 1}\n"
    )
    done = command("inspect", small, "--settings", chosen, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("nothing found that stops it") == 3
    chosen.write_text("quality: {waivers: 3}")
    line = one_line(command("inspect", small, "--settings", chosen, cwd=tmp_path))
    assert f"{chosen}: quality.waivers = 3" in line


def test_inspect_of_what_is_no_export_is_one_line_also_as_json(tmp_path: Path) -> None:
    bad = tmp_path / "bad.zip"
    bad.write_bytes(b"PK not really")
    line = one_line(command("inspect", bad, cwd=tmp_path))
    assert bad.name in line
    done = command("inspect", bad, "--json", cwd=tmp_path)
    assert one_line(done) == line
    error = json.loads(done.stdout)["error"]
    assert set(error) == {"code", "message", "file", "field", "value", "remedy"}
    assert line == f"sam2-assets: {error['message']}"


def test_a_full_disk_is_one_line(small: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "sam2_assets", "inspect", str(small)],
            stdout=full,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},  # else so little is first written when Python ends
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.endswith("no room left on its disk. Free space, then run again.")


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_convert_writes_every_format_with_its_own_pictures(small: Path, tmp_path: Path, name: str) -> None:
    done = command("convert", small, "--format", name, "--out", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    if name == "huggingface":  # its pictures are inside the rows
        rows = datasets.load_from_disk(str(tmp_path / "out"))
        assert [row["image"].size for row in rows] == [(row["width"], row["height"]) for row in rows]
        assert len(rows) == 4
    else:
        assert len([path for path in files if path.suffix in {".png", ".jpg"}]) == 4
    texts = [path for path in files if path.suffix in {".json", ".jsonl"}]
    assert texts
    for path in texts:
        lines = path.read_text(encoding="utf-8").splitlines() if path.suffix == ".jsonl" else [path.read_text()]
        assert all(json.loads(line) for line in lines)


def test_preview_writes_a_page_of_pictures_for_each_named_family(small: Path, tmp_path: Path) -> None:
    families = ("--family", "qwen2_5_vl", "--family", "llava")
    done = command("preview", small, "--out", tmp_path / "out", *families, "--count", 2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = [f"{family}_{number:02d}.png" for family in ("llava", "qwen2_5_vl") for number in (1, 2)]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted([*names, "preview.json", "preview.md"])
    again = one_line(command("preview", small, "--out", tmp_path / "out", cwd=tmp_path))
    assert "not empty" in again
    assert "no such export" in one_line(command("preview", tmp_path / "x.zip", "--out", tmp_path / "a", cwd=tmp_path))


def test_convert_to_an_unknown_format_lists_the_known_ones(small: Path, tmp_path: Path) -> None:
    line = one_line(command("convert", small, "--format", "yolo", "--out", tmp_path / "out", cwd=tmp_path))
    assert all(name in line for name in VIEWS)
    assert not (tmp_path / "out").exists()
    # The help is written by hand: it must not wait for the formats' own modules.
    option = next(p for p in get_command(app).commands["convert"].params if p.name == "to")  # type: ignore[attr-defined]
    assert sorted(re.findall(r"[a-z_0-9]+", option.help.replace(" or ", " "))) == sorted(VIEWS)


# --- a run file -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run_file(tmp_path_factory: pytest.TempPathFactory, sample_videos: list[SampleVideo], tiny_settings: str) -> Path:
    folder = tmp_path_factory.mktemp("run")
    values = yaml.safe_load(tiny_settings)
    values["training"] |= {"max_steps": 2, "evaluate_every_steps": 2, "checkpoints": {"every_steps": 1, "keep": 1}}
    video = sample_videos[0]
    values |= {"exports": [{"archive": str(video.export), "video": str(video.source)}], "out": "made"}
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture(scope="module")
def trained_here(run_file: Path) -> Path:
    done = command("train", run_file, cwd=run_file.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    made = run_file.parent / "made"
    assert f"next: sam2-assets serve {made / 'model'}" in done.stdout
    return made


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "timings.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_plan_says_what_a_training_would_take_and_trains_nothing(run_file: Path) -> None:
    done = command("plan", run_file, cwd=run_file.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 2 steps" in done.stdout
    assert "ok     fits_card" in done.stdout
    assert not (run_file.parent / "made" / "adapter").exists() or (run_file.parent / "made" / "model").exists()


def test_the_proposals_file_as_the_documentation_shows_it_is_planned(
    run_file: Path, tiny_llava: Path, tiny_settings: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml training_config\.yaml\n(.*?)```", page, flags=re.DOTALL)
    values = yaml.safe_load(shown)
    assert {"exports", "out", "model", "training", "data", "hardware", "checkpointing", "logging"} == set(values)
    _, _, settings = local_run.read_run_file(_written(run_file.with_name("shown.yaml"), values))
    assert settings.training.base_model == "llava-hf/llava-1.5-7b-hf"
    # What is not on this machine: the user's export, and the 7B model. The data was read before.
    ours = {name: value for name, value in yaml.safe_load(tiny_settings).items() if name in ("instructions", "quality")}
    values |= {**ours, "exports": yaml.safe_load(run_file.read_text())["exports"], "out": "made"}
    values["model"]["name"] = str(tiny_llava)
    # Of the 7B's memory, as of the clip's few frames, nothing is shown by this.
    values["training"] |= {"batch_size": 2, "gradient_accumulation_steps": 1}
    assert local_run.plan(_written(run_file.with_name("proposal.yaml"), values)) == 0
    said = capsys.readouterr().out
    assert "planned for the declared card: H200, 139 GiB" in said
    assert "28% of the 790 TFLOP/s declared for H200" in said
    assert "ok     fits_card" in said


def _written(path: Path, values: dict[str, object]) -> Path:
    path.write_text(yaml.safe_dump(values))
    return path


def test_a_plan_that_does_not_fit_is_exit_code_3(run_file: Path) -> None:
    values = yaml.safe_load(run_file.read_text())
    values["training"]["card"]["memory_gib"] = 0.001
    tight = run_file.with_name("tight.yaml")
    tight.write_text(yaml.safe_dump(values))
    done = command("train", tight, cwd=tight.parent)
    assert done.returncode == 3, done.stderr
    assert "FAILED fits_card" in done.stdout


def test_train_makes_a_model_repository_and_a_second_call_repeats_no_work(run_file: Path, trained_here: Path) -> None:
    assert {"README.md", "serving.json", "adapter_model.safetensors"} <= {
        p.name for p in (trained_here / "model").iterdir()
    }
    assert json.loads((trained_here / "evaluation" / "scores.json").read_text())["tasks"]
    before = {name: contents(trained_here / name) for name in ("adapter", "evaluation", "model", "splits")}
    done = command("train", run_file, cwd=run_file.parent)
    assert done.returncode == 0, done.stderr
    # The training child says that it had finished; no step is made, and the evaluation child is not even started.
    said = done.stdout.splitlines()
    (repeated,) = (place for place, line in enumerate(said) if line.startswith("finished: it was done before"))
    assert said[repeated + 1].startswith("next: ")
    assert "loading" not in done.stdout
    assert {name: contents(trained_here / name) for name in before} == before


def test_a_training_is_told_in_plain_lines_and_its_failure_once(
    run_file: Path, trained_here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    values = yaml.safe_load(run_file.read_text())
    # What else such an expression hits, only the training can see.
    values["training"]["lora"] = {"targets": ".*_proj"}
    values["out"] = "../" + run_file.parent.name + "/made"
    wrong = run_file.with_name("wrong.yaml")
    wrong.write_text(yaml.safe_dump(values))
    with pytest.raises(SystemExit) as ended:
        local_run.train(wrong)
    said = capfd.readouterr()
    assert ended.value.code == 2
    (line,) = said.err.splitlines()
    assert line.startswith("sam2-assets: lora.targets = '.*_proj': ")
    assert "loading" in said.out.splitlines()
    assert "{" not in said.out
    assert "targets do not fit" not in said.out
    assert json.loads((trained_here / "training.job.json").read_text())["out"] == str(trained_here / ".draft-adapter")
    assert (trained_here / "adapter" / "training.json").is_file()


def test_longer_answers_are_evaluated_again_and_an_evaluation_that_is_killed_is_told_so(
    run_file: Path, trained_here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = yaml.safe_load(run_file.read_text())
    values["training"]["max_answer_tokens"] = 7
    monkeypatch.setattr(EvaluationJob, "CHILD", "sam2_assets_tests.cli.dying_child")
    with pytest.raises(TrainingError, match=r"killed \(signal 9\)") as caught:
        local_run.train(_written(run_file.with_name("longer.yaml"), values))
    assert caught.value.code == "child_failed"
    assert (trained_here / "evaluation" / "scores.json").is_file()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing in it"),
        ("exports: []\nout: x", "exports = []"),
        ("exports: [a.zip]", "out = "),
        ("exports: [a.zip]\nout: x\ntraning: {}", "traning = {}"),
        ("exports: [a.zip\n", "line 2"),
    ],
)
def test_a_wrong_run_file_is_refused_by_field(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        local_run.plan(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_run_file_that_names_an_absent_export_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("exports: [absent.zip]\nout: x")
    assert "absent.zip" in one_line(command("train", "run.yaml", cwd=tmp_path))


@contextmanager
def served(*arguments: object, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "sam2_assets", "serve", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_serve_answers_over_http(trained_here: Path, tiny_llava: Path) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    arguments = (trained_here / "model", "--port", port, "--base-model", tiny_llava)
    with served(*arguments, cwd=trained_here) as process:
        end = time.monotonic() + 120
        while True:
            try:
                if httpx.get(f"{address}/health", timeout=10).status_code == 200:
                    break
            except httpx.TransportError:
                assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < end, "never ready"
            time.sleep(0.2)
        picture = io.BytesIO()
        Image.new("RGB", (64, 48), (200, 30, 30)).save(picture, "PNG")
        form = {"question": "What is the largest object?"}
        reply = httpx.post(f"{address}/predict", files={"image": ("a.png", picture.getvalue())}, data=form, timeout=60)
    assert reply.status_code == 200, reply.text
    assert reply.json()["frame"] == [64, 48]
    assert set(reply.json()) == {"text", "objects", "frame", "model"}


def test_serve_of_a_folder_that_is_no_repository_is_one_line(tmp_path: Path) -> None:
    assert str(tmp_path) in one_line(command("serve", tmp_path, cwd=tmp_path))


# --- with a store ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def submitted(tmp_path_factory: pytest.TempPathFactory, small: Path) -> tuple[Home, str]:
    """A home with one painted export in its inbox, not imported."""
    home = new_home(tmp_path_factory.mktemp("submitted") / "home")
    return home, inbox.submit(FolderStorage(home.store / "inbox"), small).partition


def test_outside_a_repository_the_command_says_where_to_run_it(tmp_path: Path) -> None:
    assert "dagster.yaml" in one_line(command("status", cwd=tmp_path))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, small: Path) -> tuple[Home, str, Done]:
    """A home where `submit` ran the line to the gate that stops it."""
    home = new_home(tmp_path_factory.mktemp("stopped") / "home")
    home.write_settings("quality: {contact_sheet_frames: 1}")
    return home, partition_key("small.zip"), home.command("submit", small)


def test_submit_without_a_daemon_runs_the_line_here_and_status_tells_where_it_stands(
    stopped: tuple[Home, str, Done],
) -> None:
    home, partition, done = stopped
    assert done.returncode == 2, "a gate stops it"
    assert "running it here" in done.stdout
    assert "stops the line: burnt_in_overlay" in done.stdout
    assert f"next: sam2-assets status {partition}" in done.stdout
    listed = " ".join(home.command("status", check=True).stdout.split())
    assert f"{partition} │ small.zip │ splits" in listed
    assert "gate burnt_in_overlay" in listed
    detail = home.command("status", partition, check=True).stdout
    assert "gate burnt_in_overlay: " in detail
    assert "Put the source video beside the export" in detail
    assert f'sam2-assets settings {partition} --set "quality.waivers.burnt_in_overlay=YOUR REASON"' in detail
    assert "gate enough_samples: too few frames" in detail
    assert "  sam2-assets launch plan_corpus\n" in detail
    assert f"  sam2-assets launch ingest {partition}\n" in detail
    # Nobody can approve what was never planned.
    assert "no training plan yet" in one_line(home.command("approve", partition))


def test_status_tells_a_gate_that_never_ran_on_what_an_earlier_version_made(stopped: tuple[Home, str, Done]) -> None:
    home, _, _ = stopped
    with home.platform() as platform:
        platform.instance.add_dynamic_partitions(str(videos.name), ["older-abcdef"])
        made = {"path": "artifacts/splits/older-abcdef/1", "sha256": "0" * 64}
        key = VIDEO.key("splits")
        platform.instance.report_runless_asset_event(
            dg.AssetMaterialization(key, partition="older-abcdef", metadata=made)
        )
    said = " ".join(home.command("status", "older-abcdef", check=True).stdout.split())
    assert "gate burnt_in_overlay: not measured on this data" in said
    assert "to measure it: sam2-assets launch ingest older-abcdef" in said


def test_submit_refuses_what_nobody_could_follow_before_it_is_in_the_inbox(
    submitted: tuple[Home, str], small: Path, tmp_path: Path
) -> None:
    home, _ = submitted
    before = sorted((home.store / "inbox").iterdir())
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("splitting: {segments: 0}")
    assert "splitting.segments = 0" in one_line(home.command("submit", small, "--settings", wrong))
    assert "absent.zip" in one_line(home.command("submit", tmp_path / "absent.zip"))
    no_export = tmp_path / "small.zip"
    with zipfile.ZipFile(no_export, "w") as archive:
        archive.writestr("holiday.txt", "sun")
    assert "annotations.json" in one_line(home.command("submit", no_export))
    assert sorted((home.store / "inbox").iterdir()) == before


def test_settings_explain_lists_every_setting(submitted: tuple[Home, str]) -> None:
    done = submitted[0].command("settings", "--explain", check=True)
    assert "training.optimizer.learning_rate" in done.stdout


def test_a_setting_is_written_and_a_bad_one_refused_with_the_file_unchanged(
    submitted: tuple[Home, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, partition = submitted
    sidecar = home.store / "inbox" / "small.settings.yaml"
    done = home.command(
        "settings",
        partition,
        "--set",
        "splitting.segments=2",
        "--set",
        "quality.waivers.speck=fine: really",
        check=True,
    )
    assert str(sidecar) in done.stdout.replace("\n", "")
    assert "quality.waivers" in done.stdout
    assert "training.base_model" not in done.stdout, "only what was changed"
    assert f"next: sam2-assets launch ingest {partition}\n" in done.stdout
    written = sidecar.read_bytes()
    assert yaml.safe_load(written) == {"splitting": {"segments": 2}, "quality": {"waivers": {"speck": "fine: really"}}}
    assert "splitting.segments = 0" in one_line(home.command("settings", partition, "--set", "splitting.segments=0"))
    line = one_line(home.command("settings", partition, "--set", "trainning.base_model=models/llava"))
    assert "trainning.base_model = 'models/llava': there is no such setting. Did you mean training.base_model?" in line
    for change, words in [
        ("splitting.segment=3", "splitting.segment = 3"),
        ("segments=3", "section.field=value"),
        ("splitting.segments", "section.field=value"),
        ("splitting.segments.deep=3", "splitting.segments = {'deep': 3}"),
        ("splitting.segments=[1", "splitting.segments = '[1'"),
    ]:
        with home.platform(), pytest.raises(SettingsError) as caught:
            platform.settings(partition, [change], explain=False)
        assert words in str(caught.value)
        assert sidecar.read_bytes() == written, change
    monkeypatch.setenv("COLUMNS", "80")
    shown = home.command("settings", partition, check=True).stdout
    assert "training.optimizer.projector_learning_rate" in shown, "a name to copy is not cut"
    (row,) = (line for line in shown.splitlines() if "splitting.segments" in line)
    assert "2" in row
    assert "small.settings" in row


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "cats-000000"),
        ("fetch", "cats-000000", "splits", "--out", "x"),
        ("approve", "cats-000000"),
        ("settings", "cats-000000"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_an_unknown_partition_is_one_line(submitted: tuple[Home, str], arguments: tuple[str, ...]) -> None:
    assert "cats-000000" in one_line(submitted[0].command(*arguments))


def test_the_beginning_of_a_partition_key_is_enough_to_be_told_the_whole(submitted: tuple[Home, str]) -> None:
    home, partition = submitted
    with home.platform() as opened, pytest.raises(StoreError) as caught:
        require_known(opened, partition.rpartition("-")[0])
    assert f"Did you mean: {partition}" in str(caught.value)


def test_a_run_without_a_job_is_called_after_the_assets_that_it_makes(submitted: tuple[Home, str]) -> None:
    home, partition = submitted
    made = frozenset({dg.AssetKey("splits"), dg.AssetKey("training_plan")})
    with home.platform() as opened:
        run = dg.DagsterRun(
            job_name="__ASSET_JOB",
            status=dg.DagsterRunStatus.STARTING,
            asset_selection=made,
            tags={PARTITION: partition},
        )
        opened.instance.add_run(run)
        try:
            (shown,) = under_way(opened.instance)
        finally:
            opened.instance.delete_run(run.run_id)
    assert str(shown).startswith("starting splits, training_plan since ")


def test_fetch_copies_an_artifact_whole_into_a_new_folder_only(trained: TrainedHome, tmp_path: Path) -> None:
    home, out = trained.home, tmp_path / "card"
    home.command("fetch", trained.partition, "model_card", "--out", out, check=True)
    manifest = json.loads((out / MANIFEST).read_text())
    assert {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()} == {MANIFEST, *manifest["files"]}
    before = contents(out)
    assert "not empty" in one_line(home.command("fetch", trained.partition, "model_card", "--out", out))
    assert contents(out) == before
    assert "raw_export" in one_line(home.command("fetch", trained.partition, "weights", "--out", tmp_path / "a"))
    assert "no such asset" in one_line(home.command("fetch", "corpus", "raw_export", "--out", tmp_path / "a"))
    assert "no version" in one_line(home.command("fetch", trained.other, "lora_adapter", "--out", tmp_path / "a"))
    assert [p.name for p in tmp_path.iterdir()] == ["card"]
    home.command("preview", trained.partition, "--out", tmp_path / "seen", "--family", "llava", check=True)
    assert (tmp_path / "seen" / "llava_06.png").is_file()


def test_fetch_refuses_a_damaged_artifact(stopped: tuple[Home, str, Done], tmp_path: Path) -> None:
    home, partition, _ = stopped
    (table,) = (home.store / "artifacts" / "raw_export" / partition).rglob("objects.parquet")
    table.write_bytes(table.read_bytes() + b"x")
    line = one_line(home.command("fetch", partition, "raw_export", "--out", tmp_path / "out"))
    assert "objects.parquet" in line
    assert not (tmp_path / "out").exists()


def test_approving_names_plan_cost_and_person_and_the_first_approval_stays(trained: TrainedHome) -> None:
    first = trained.home.command("approve", trained.other, "--by", "Ada", check=True).stdout
    assert "approved by Ada" in first
    assert "GPU-hours" in first
    assert f"else launch train_video in the UI, or: sam2-assets approve {trained.other} --run" in first
    again = trained.home.command("approve", trained.other, "--by", "Bob", check=True).stdout
    assert "approved by Ada" in again
    assert "approve" not in trained.home.command("status", trained.other, check=True).stdout


def test_a_newer_plan_waits_for_its_approval_though_an_older_one_was_trained(
    trained: TrainedHome, capsys: pytest.CaptureFixture[str]
) -> None:
    with trained.home.platform() as opened:
        found = current(opened.instance, VIDEO.key("training_plan"), trained.partition)
        assert found is not None
        plan = Plan.read(opened.store.open().open(found.ref) / PLAN_FILE)
        standing.status(trained.partition)
        assert "approve" not in capsys.readouterr().out
        # The same to a command: a plan that nobody has said yes to yet, and an adapter.
        record = trained.home.store / "approvals" / f"{plan.plan_hash}.json"
        kept = record.read_bytes()
        record.unlink()
        try:
            standing.status(trained.partition)
            detail = capsys.readouterr().out
            standing.status(None)
            listed = capsys.readouterr().out
        finally:
            record.write_bytes(kept)
    assert f"plan {plan.plan_hash[:12]}: {plan.base.name}, {plan.data.train_samples} training samples" in detail
    assert f"next: sam2-assets approve {trained.partition}\n" in detail
    assert "waits for approval" in listed
    assert f"next: sam2-assets approve {trained.partition}\n" in listed
