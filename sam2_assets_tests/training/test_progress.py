from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from dagster_pipes import encode_param

from sam2_assets.errors import TrainingError
from sam2_assets.training.progress import PIPES_VARIABLE, reporting


def test_a_report_is_one_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting() as reporter:
        reporter.report("training", step=3, loss=0.5, eta_s=None)
    assert json.loads(capsys.readouterr().out) == {"phase": "training", "step": 3, "loss": 0.5, "eta_s": None}


def test_quiet_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting(quiet=True) as reporter:
        reporter.report("training", step=3)
    assert capsys.readouterr().out == ""


def test_a_child_whose_listener_is_gone_goes_on_in_silence() -> None:
    code = (
        "from sam2_assets.training.progress import Reporter\n"
        "import sys; reporter = Reporter(); sys.stdin.read()\n"
        "reporter.report('training', step=1); reporter.report('training', step=2)\n"
        "print('still there', file=sys.stderr)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        child.stdin.close()
        assert child.stderr.read() == "still there\n"
    assert child.returncode == 0


def test_under_dagster_reports_and_errors_are_pipes_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = {
        "asset_keys": ["lora_adapter"],
        "code_version_by_asset_key": {},
        "provenance_by_asset_key": {},
        "partition_key": None,
        "partition_key_range": None,
        "partition_time_window": None,
        "run_id": "r",
        "job_name": None,
        "retry_number": 0,
        "extras": {},
    }
    (tmp_path / "context").write_text(json.dumps(context))
    monkeypatch.setenv(PIPES_VARIABLE, encode_param({"path": str(tmp_path / "context")}))
    monkeypatch.setenv("DAGSTER_PIPES_MESSAGES", encode_param({"path": str(tmp_path / "messages")}))
    with reporting(quiet=True) as reporter:
        reporter.report("training", step=3, loss=0.5)
        reporter.failed(TrainingError("some_code", "it is so", remedy="Do this."))
        reporter.failed(RuntimeError("segments overlap"))
    messages = [json.loads(line) for line in (tmp_path / "messages").read_text().splitlines()]
    custom = [message["params"]["payload"] for message in messages if message["method"] == "report_custom_message"]
    assert custom[0] == {"phase": "training", "step": 3, "loss": 0.5}
    assert (custom[1]["phase"], custom[1]["code"], custom[1]["remedy"]) == ("failed", "some_code", "Do this.")
    assert custom[2] == {"phase": "crashed", "code": "RuntimeError", "message": "segments overlap"}
    assert messages[-1]["method"] == "closed"
