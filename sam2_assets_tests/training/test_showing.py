"""What a person can watch: answers to validation samples, their pictures, and the metric that they give."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sam2_assets.errors import TrainingError
from sam2_assets.training.accelerator import Utilisation
from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.events import of_configuration
from sam2_assets.training.execution import execute
from sam2_assets.training.job import TrainingJob
from sam2_assets.training.live import live_folder
from sam2_assets.training.measures import Answer, Kind, Located, measure
from sam2_assets.training.progress import Reporter
from sam2_assets.training.showing import Shown, box_iou, jpeg, sheet
from sam2_assets.training.stopping import Interrupted, StopRequest
from sam2_assets_tests.evaluation.builders import sample
from sam2_assets_tests.training.workshop import Data, Job, build_data, build_job, result_files, run_here, small_config

CHOICE = {"max_steps": 4, "evaluate_every_steps": 2, "log_every_steps": 1, "checkpoints": {"every_steps": 4}}
ADAPTER = "adapter/adapter_model.safetensors"


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return build_data(tmp_path_factory.mktemp("showing-data"), tasks=("detect", "main_object"))


@pytest.fixture(scope="module")
def shown_job(tmp_path_factory: pytest.TempPathFactory, data: Data, tiny_llava: Path) -> Job:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        job = build_job(
            tmp_path_factory.mktemp("shown"), data, small_config(tiny_llava, **CHOICE, validation_answers=2)
        )
        run_here(job)
    return job


def _events(folder: Path) -> EventAccumulator:
    everything = {"images": 0, "tensors": 0, "scalars": 0}
    return EventAccumulator(str(folder), size_guidance=everything).Reload()


def test_every_validation_has_its_answers_as_text_and_pictures(shown_job: Job) -> None:
    live, published = _events(live_folder(shown_job.work, shown_job.plan)), _events(shown_job.out / "logs")
    assert [event.step for event in live.Images("answers/01")] == [2, 4]
    assert [event.step for event in published.Images("answers/01")] == [4]
    image = Image.open(io.BytesIO(live.Images("answers/02")[0].encoded_image_string))
    assert image.width == 640
    (text,) = [event.tensor_proto.string_val[0].decode() for event in published.Tensors("answers/text_summary")]
    figures = json.loads((shown_job.out / "training.json").read_text())
    assert len(figures["validation_answers"]) == 2
    for answer in figures["validation_answers"]:
        assert answer["sample"] in text
        assert answer["true"].splitlines()[0] in text
    assert [event.step for event in live.Scalars("validation/box_iou")] == [2, 4]
    assert [point["box_iou"] for point in figures["curve"]["validation"]] == [
        pytest.approx(event.value) for event in published.Scalars("validation/box_iou")
    ]
    assert Image.open(shown_job.out / "answers.jpg").width == 1280


def test_the_configuration_is_there_to_compare_runs_by(shown_job: Job) -> None:
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    for folder in (live_folder(shown_job.work, shown_job.plan), shown_job.out / "logs"):
        metadata = _events(folder).SummaryMetadata("_hparams_/session_start_info")
        chosen = HParamsPluginData.FromString(metadata.plugin_data.content).session_start_info.hparams
        assert chosen["lora.rank"].number_value == 8
        assert chosen["optimizer.scheduler"].string_value == "cosine"
        assert "base_model" not in chosen


def test_the_configurations_bytes_are_the_same_in_every_process() -> None:
    """The order of a map in a message hangs on the process, unless it is written in the order of its keys."""
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    contents = [
        value.metadata.plugin_data.content
        for summary in of_configuration(TrainingConfig())
        for value in summary.value
        if value.metadata.plugin_data.content
    ]
    assert contents
    for content in contents:
        assert content == HParamsPluginData.FromString(content).SerializeToString(deterministic=True)


def test_speed_and_memory_are_curves(shown_job: Job) -> None:
    live = _events(live_folder(shown_job.work, shown_job.plan))
    assert [event.step for event in live.Scalars("memory/peak_gib")] == [1, 2, 3, 4]
    assert all(event.value > 0 for event in live.Scalars("speed/samples_per_s"))


# Qwen remembers where the last question's picture ended; that asking draws no random number is shown of every family
# where it has learned (families/test_learning.py).
@pytest.mark.parametrize("base", ["tiny_llava", "tiny_qwen2_5_vl"])
def test_being_asked_changes_no_weight(
    base: str, data: Data, shown_job: Job, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(base)
    config: dict[str, Any] = {**CHOICE, "lora": {"rank": 8, "alpha": 16, "dropout": 0.1}}
    silent = build_job(tmp_path / "silent", data, small_config(folder, **config))
    run_here(silent)
    asked = shown_job
    if base != "tiny_llava":
        asked = build_job(tmp_path / "asked", data, small_config(folder, **config, validation_answers=2))
        run_here(asked)
    assert silent.plan.plan_hash == asked.plan.plan_hash
    assert result_files(asked.out)[ADAPTER] == result_files(silent.out)[ADAPTER]
    assert not (silent.out / "answers.jpg").exists()


def test_a_run_that_is_stopped_while_it_answers_ends_in_identical_bytes(
    shown_job: Job, data: Data, tiny_llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sam2_assets.training.prediction import Predictor

    job = build_job(tmp_path, data, small_config(tiny_llava, **CHOICE, validation_answers=2))
    stop = StopRequest()
    answer = Predictor.answer

    def asked_to_end(self: Predictor, *arguments: Any, **options: Any) -> list[str]:
        stop.requested = True
        return answer(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Predictor, "answer", asked_to_end)
        with pytest.raises(Interrupted):
            execute(TrainingJob.read(job.file), Reporter(quiet=True), stop)
    assert (job.work / "checkpoints/checkpoint-2").is_dir()
    run_here(job)
    assert result_files(job.out) == result_files(shown_job.out)


def test_the_best_checkpoint_goes_by_the_chosen_metric(data: Data, tiny_llava: Path, tmp_path: Path) -> None:
    config = small_config(
        tiny_llava,
        max_steps=6,
        evaluate_every_steps=2,
        validation_answers=2,
        validation_metric="box_iou",
        checkpoints={"every_steps": 6, "keep": 1, "publish": "best"},
    )
    job = build_job(tmp_path, data, config)
    run_here(job)
    figures = json.loads((job.out / "training.json").read_text())
    points = figures["curve"]["validation"]
    best = min(points, key=lambda point: (-point["box_iou"], point["step"]))["step"]
    assert best != min(points, key=lambda point: point["loss"])["step"], "the two metrics must tell apart"
    assert figures["published_step"] == best


def test_a_metric_that_nothing_measures_is_refused_before_the_first_step(tiny_llava: Path, tmp_path: Path) -> None:
    words = build_data(tmp_path / "data", tasks=("count",))
    config = small_config(tiny_llava, validation_answers=2, validation_metric="box_iou")
    with pytest.raises(TrainingError) as caught:
        run_here(build_job(tmp_path / "job", words, config))
    assert (caught.value.code, caught.value.field) == ("metric_not_measurable", "validation_metric")


def test_pictures_show_the_true_box_in_green_and_the_claimed_one_in_orange() -> None:
    one = sample(size=(200, 150))
    truth = (Located("cat", (50.0, 30.0, 80.0, 80.0)),)
    claimed = (Located("cat", (50.0, 30.0, 80.0, 40.0)),)
    measures = measure(Kind.ONE_OBJECT, "cat", truth, Answer("cat", claimed, "cat"))
    shown = Shown(one, "what?", "cat", truth, Answer("cat", claimed, "cat"), measures)
    assert box_iou([shown]) == pytest.approx(0.5)
    page = shown.picture()
    scale = 640 / one.width

    def colour(x: float, y: float) -> tuple[int, ...]:
        pixel = page.getpixel((round(x * scale), round(y * scale)))
        assert isinstance(pixel, tuple)
        return pixel

    assert colour(110, 110) == pytest.approx((0, 158, 115), abs=60)
    assert colour(110, 70) == pytest.approx((213, 94, 0), abs=60)
    assert jpeg(sheet([shown] * 3)) == jpeg(sheet([shown] * 3))
    assert sheet([shown] * 3).height == 2 * page.height


def test_the_newest_reading_of_the_driver_counts_and_what_is_no_number_is_none() -> None:
    import time

    def until(watch: Utilisation, newest: int | None) -> None:
        end = time.monotonic() + 20
        while watch.percent != newest and time.monotonic() < end:
            time.sleep(0.02)
        assert watch.percent == newest

    watch = Utilisation(["sh", "-c", "echo 50; echo '[N/A]'; echo 93; sleep 60"])
    until(watch, 93)
    assert watch.mean == 71.5
    watch.restart()
    assert watch.mean is None
    watch.close()
    watch = Utilisation(["sh", "-c", "echo 50; sleep 0.5; echo '[N/A]'; sleep 60"])
    until(watch, 50)
    until(watch, None)
    assert watch.mean == 50
    watch.close()
    assert Utilisation().percent is None
