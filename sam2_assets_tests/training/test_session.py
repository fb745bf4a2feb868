"""Whole training runs of tiny models in this process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file, save_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.io_wrapper import GetLogdirSubdirectories

from sam2_assets.errors import DatasetError, Sam2AssetsError, TrainingError
from sam2_assets.instructions.reading import load_samples
from sam2_assets.training.execution import execute
from sam2_assets.training.job import TrainingJob
from sam2_assets.training.live import live_folder
from sam2_assets.training.progress import Reporter, Scalar
from sam2_assets.training.stopping import Interrupted, StopRequest
from sam2_assets_tests.training.workshop import Data, Job, build_data, build_job, result_files, run_here, small_config

# Two samples a frame in batches of 3, summed in twos: epochs end with a smaller batch and a smaller sum.
CHOICE = {
    "max_steps": 9,
    "batch_size": 3,
    "gradient_accumulation": 2,
    "log_every_steps": 1,
    "validation_answers": 2,
    "max_answer_tokens": 30,
}


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return build_data(tmp_path_factory.mktemp("session-data"), tasks=("detect", "main_object"))


class _Script(Reporter):
    """A reporter that remembers, and does something at a report about a step."""

    def __init__(
        self, step: int | None = None, action: Callable[[], None] | None = None, phases: tuple[str, ...] = ("training",)
    ) -> None:
        super().__init__(quiet=True)
        self.reports: list[dict[str, Scalar]] = []
        self._step = step
        self._action = action
        self._phases = phases

    def report(self, phase: str, **fields: Scalar) -> None:
        self.reports.append({"phase": phase, **fields})
        if self._action is not None and phase in self._phases and fields.get("step") == self._step:
            self._action()


@pytest.fixture(scope="module")
def heard() -> _Script:
    """What the uninterrupted run told."""
    return _Script()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, data: Data, tiny_llava: Path, heard: _Script) -> Job:
    """The training that interrupted ones, of the same plan, are held against."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        job = build_job(tmp_path_factory.mktemp("uninterrupted"), data, small_config(tiny_llava, **CHOICE))
        execute(TrainingJob.read(job.file), heard, StopRequest())
    return job


def _stop_after(job: Job, step: int, phases: tuple[str, ...] = ("starting", "resuming")) -> None:
    """Run the job from where it is and ask it to end at the report about ``step``."""
    stop = StopRequest()

    def ask() -> None:
        stop.requested = True

    with pytest.raises(Interrupted):
        execute(TrainingJob.read(job.file), _Script(step, ask, phases), stop)


def _fail() -> None:
    raise RuntimeError("as if the machine had failed")


def test_another_seed_gives_other_weights(uninterrupted: Job, data: Data, tiny_llava: Path, tmp_path: Path) -> None:
    other = build_job(tmp_path, data, small_config(tiny_llava, **CHOICE, seed=1))
    run_here(other)
    name = "adapter/adapter_model.safetensors"
    assert result_files(other.out)[name] != result_files(uninterrupted.out)[name]


def test_a_run_stopped_after_every_single_step_ends_in_identical_bytes(
    uninterrupted: Job, data: Data, tiny_llava: Path, tmp_path: Path
) -> None:
    job = build_job(tmp_path, data, small_config(tiny_llava, **CHOICE))
    checkpoints = job.work / "checkpoints"
    for step in range(9):  # after the last one only its validation is left, which is cut short
        _stop_after(job, step)
        if step in (4, 8):  # Its validation was cut short; it is made up for first, and here that is cut short as well.
            assert not (checkpoints / f"checkpoint-{step + 1}").exists()
            _stop_after(job, step, ("validating",))
        assert (checkpoints / f"checkpoint-{step + 1}").is_dir()
    run_here(job)
    assert result_files(job.out) == result_files(uninterrupted.out)
    assert json.loads((job.out / "timings.json").read_text())["sessions"] == 10


def test_a_damaged_checkpoint_is_reported_and_an_older_one_resumed(
    uninterrupted: Job, data: Data, tiny_llava: Path, tmp_path: Path
) -> None:
    job = build_job(tmp_path, data, small_config(tiny_llava, **CHOICE))
    _stop_after(job, 7, ("training",))  # noticed when the next step ends
    weights = job.work / "checkpoints/checkpoint-8/adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])
    script = _Script()
    execute(TrainingJob.read(job.file), script, StopRequest())
    resumed = [report for report in script.reports if report["phase"] == "resuming"]
    assert [report.get("passed_over") for report in resumed] == ["checkpoint-8", None]
    assert resumed[-1]["step"] == 6
    assert result_files(job.out) == result_files(uninterrupted.out)


def test_after_a_crash_the_live_curve_has_every_step_once(
    uninterrupted: Job, data: Data, tiny_llava: Path, tmp_path: Path
) -> None:
    job = build_job(tmp_path, data, small_config(tiny_llava, **CHOICE))
    with pytest.raises(RuntimeError, match="machine had failed"):
        execute(TrainingJob.read(job.file), _Script(8, _fail), StopRequest())
    _stop_after(job, 6)  # from step 6: steps 7 and 8 are written a second time
    run_here(job)
    assert result_files(job.out) == result_files(uninterrupted.out)
    # TensorBoard shows one run of it, by a name that a person can read.
    (run,) = GetLogdirSubdirectories(str(job.work))
    assert Path(run) == live_folder(job.work, job.plan)
    assert Path(run).name.endswith(f"_{job.plan.data.train_samples}-samples_9-steps_rank-8_rate-0.005_seed-0")
    live = EventAccumulator(run).Reload()
    published = EventAccumulator(str(job.out / "logs")).Reload()
    assert [event.step for event in live.Scalars("train/loss")] == list(range(1, 10))
    for tag in ("train/loss", "train/grad_norm", "train/learning_rate", "validation/loss"):
        assert [(e.step, e.value) for e in live.Scalars(tag)] == [(e.step, e.value) for e in published.Scalars(tag)]


def test_a_finished_job_is_published_again_without_training(
    uninterrupted: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = result_files(uninterrupted.out)
    shutil.rmtree(uninterrupted.out)
    monkeypatch.setattr("sam2_assets.training.session.train", lambda *_: pytest.fail("trained again"))
    run_here(uninterrupted)
    assert result_files(uninterrupted.out) == before


def test_the_result_is_complete_and_names_no_machine_path(uninterrupted: Job, data: Data, tmp_path: Path) -> None:
    files = result_files(uninterrupted.out)
    assert {
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "adapter/tokenizer.json",
        "logs/events.out.tfevents.training",
        "loss.png",
        "training.json",
    } <= files.keys()
    root = str(tmp_path.parent)
    assert [name for name, content in files.items() if root.encode() in content] == []
    figures = json.loads(files["training.json"])
    assert figures["plan_hash"] == uninterrupted.plan.plan_hash
    assert figures["samples"] == {"train": 16, "val": 2}
    assert figures["steps"] == 9
    assert figures["preflight"]["taught"].endswith("</s>")
    assert figures["epochs"] == pytest.approx(3.0)  # 16 samples: 6 batches, 3 steps an epoch
    assert [point["step"] for point in figures["curve"]["validation"]] == [4, 8, 9]
    assert figures["parameters"]["trainable"] == uninterrupted.plan.estimate.trainable_parameters


def test_progress_has_the_figures_that_a_person_waits_for(uninterrupted: Job, heard: _Script) -> None:
    last = [report for report in heard.reports if report["phase"] == "training"][-1]
    assert (last["step"], last["steps"], last["eta_s"]) == (9, 9, 0.0)
    for name in ("loss", "grad_norm", "samples_per_s", "peak_memory_gib"):
        assert isinstance(last[name], float), name
        assert last[name] > 0
    # Asked at the two validations on the way, at the last one, and once more of what is published.
    asked = [report["step"] for report in heard.reports if report["phase"] == "answering"]
    assert asked == [4, 8, 9, 9]
    assert [report["phase"] for report in heard.reports][-1] == "finished"
    timings = json.loads((uninterrupted.out / "timings.json").read_text())
    assert timings["answers"] == 8
    assert timings["past_run"]["seconds_an_answer"] == timings["answering_seconds"] / 8 > 0


# What stops a run


def _fails(job: Job) -> Sam2AssetsError:
    with pytest.raises(Sam2AssetsError) as caught:
        run_here(job)
    assert not job.out.exists()
    return caught.value


def test_a_loss_that_is_not_a_number_stops_the_run(data: Data, tiny_llava: Path, tmp_path: Path) -> None:
    base = tmp_path / "broken"
    shutil.copytree(tiny_llava, base)
    weights = load_file(base / "model.safetensors")
    next(value for name, value in weights.items() if "lm_head" in name)[0, 0] = float("nan")
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    error = _fails(build_job(tmp_path / "job", data, small_config(base)))
    assert isinstance(error, TrainingError)
    assert (error.code, error.field) == ("loss_not_finite", "precision")
    assert "before the first step" in str(error)
    wild = {"name": "sgd", "learning_rate": 1.0, "max_grad_norm": 1e30, "warmup_ratio": 0.0, "scheduler": "constant"}
    error = _fails(build_job(tmp_path / "wild", data, small_config(tiny_llava, optimizer=wild, lora={"alpha": 1024})))
    assert (error.code, error.field) == ("loss_not_finite", "optimizer.learning_rate")


def test_a_climbing_loss_stops_the_run(
    data: Data, tiny_llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sam2_assets.training.loop import LoopTrainer

    loss_of = LoopTrainer.compute_loss

    def climbing(self: LoopTrainer, *arguments: object, **options: object) -> object:
        return loss_of(self, *arguments, **options) * 0 + 1.1**self.state.global_step  # type: ignore[arg-type]

    monkeypatch.setattr(LoopTrainer, "compute_loss", climbing)
    config = small_config(tiny_llava, max_steps=60, batch_size=2, evaluate_every_steps=500, log_every_steps=1)
    job, script = build_job(tmp_path, data, config), _Script()
    with pytest.raises(TrainingError, match=r"loss was 2\.86 at first and is 19\.3 at step 40") as caught:
        execute(TrainingJob.read(job.file), script, StopRequest())
    assert (caught.value.code, caught.value.field) == ("loss_diverged", "optimizer.learning_rate")
    assert not job.out.exists()


def test_a_run_that_would_break_its_budget_stops_after_its_first_steps(
    data: Data, tiny_llava: Path, tmp_path: Path
) -> None:
    config = small_config(tiny_llava, max_steps=1_000_000, log_every_steps=1, budget={"max_gpu_hours": 0.1})
    job, script = build_job(tmp_path, data, config), _Script()
    with pytest.raises(TrainingError, match=r"1000000 steps of \d+\.\d\d s as measured take [\d.]+ hours") as caught:
        execute(TrainingJob.read(job.file), script, StopRequest())
    assert (caught.value.code, caught.value.field) == ("over_budget", "budget.max_gpu_hours")
    measured = next(report for report in script.reports if report["phase"] == "measured")
    assert measured["gpu_hours"] == pytest.approx(1_000_000 * float(str(measured["seconds_a_step"])) / 3600, rel=0.2)
    # It went no further than the steps that were measured.
    assert max(int(str(report.get("step", 0))) for report in script.reports) == measured["step"] == 5
    assert not job.out.exists()


def test_a_run_that_has_used_up_its_budget_stops_with_a_checkpoint(
    data: Data, tiny_llava: Path, tmp_path: Path
) -> None:
    job = build_job(tmp_path, data, small_config(tiny_llava, budget={"max_gpu_hours": 1e-7}))
    error = _fails(job)
    assert (error.code, error.field) == ("over_budget", "budget.max_gpu_hours")
    assert (job.work / "checkpoints/checkpoint-1").is_dir()


def _weights(folder: Path) -> bytes:
    return (folder / "adapter_model.safetensors").read_bytes()


def test_another_checkpoint_is_published_without_training_again(
    data: Data, tiny_llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rate that rises to absurdity: the best validation is not the last. The last step is not the end of an epoch."""
    choice = {
        "max_steps": 13,
        "evaluate_every_steps": 2,
        "optimizer": {"learning_rate": 0.3, "scheduler": "constant", "warmup_ratio": 1.0},
        "checkpoints": {"every_steps": 5, "keep": 2},
    }
    job = build_job(tmp_path / "job", data, small_config(tiny_llava, **choice))
    run_here(job)
    figures = json.loads((job.out / "training.json").read_text())
    losses = {point["step"]: point["loss"] for point in figures["curve"]["validation"]}
    best = min(losses, key=lambda step: losses[step])
    kept = {int(path.name.split("-")[1]) for path in (job.work / "checkpoints").iterdir()}
    assert best < min(kept - {best}), "the best one is older than all that are kept for being new"
    assert len(kept) == 3
    assert figures["published_step"] == 13

    monkeypatch.setattr("transformers.Trainer.training_step", lambda *_: pytest.fail("trained again"))
    for settings, step in (({"publish": "best"}, best), ({"publish_step": 10}, 10)):
        shutil.rmtree(job.out)
        checkpoints = {"every_steps": 5, "keep": 2, **settings}
        again = build_job(tmp_path / "job", data, small_config(tiny_llava, **choice | {"checkpoints": checkpoints}))
        assert again.plan.plan_hash == job.plan.plan_hash
        run_here(again)
        assert json.loads((again.out / "training.json").read_text())["published_step"] == step
        assert _weights(again.out / "adapter") == _weights(job.work / f"checkpoints/checkpoint-{step}")
    shutil.rmtree(job.out)
    finer = build_job(tmp_path / "job", data, small_config(tiny_llava, **choice, log_every_steps=1))
    run_here(finer)
    assert len(json.loads((finer.out / "training.json").read_text())["curve"]["train"]) == 13
    shutil.rmtree(job.out)
    checkpoints = {"publish_step": 7}
    error = _fails(build_job(tmp_path / "job", data, small_config(tiny_llava, **choice | {"checkpoints": checkpoints})))
    assert (error.code, error.field) == ("checkpoint_not_kept", "checkpoints.publish_step")
    assert f"{best}, 10, 13" in str(error)


def test_training_ends_when_validation_stops_getting_better_also_when_resumed(
    data: Data, tiny_llava: Path, tmp_path: Path
) -> None:
    choice = {
        "max_steps": 40,
        "log_every_steps": 1,
        "evaluate_every_steps": 2,
        "early_stopping": {"patience": 2, "min_delta": 100.0},
        "checkpoints": {"every_steps": 50},
    }
    config = small_config(tiny_llava, **choice)
    job = build_job(tmp_path / "whole", data, config)
    run_here(job)
    figures = json.loads((job.out / "training.json").read_text())
    # The first validation improves on nothing; two more do not fall by a hundred.
    assert (figures["steps"], figures["ended_early"]) == (6, True)
    resumed = build_job(tmp_path / "resumed", data, config)
    _stop_after(resumed, 5, ("training",))  # the validation of step 6 is cut short, and is the one that ends the run
    run_here(resumed)
    assert result_files(resumed.out) == result_files(job.out)


def test_batches_by_length_resume_to_identical_bytes(data: Data, tiny_llava: Path, tmp_path: Path) -> None:
    config = small_config(tiny_llava, **CHOICE | {"max_steps": 6}, group_by_length=True)
    job = build_job(tmp_path / "whole", data, config)
    run_here(job)
    resumed = build_job(tmp_path / "resumed", data, config)
    _stop_after(resumed, 4, ("training",))
    run_here(resumed)
    assert result_files(resumed.out) == result_files(job.out)


@pytest.mark.parametrize("name", ["adafactor", "sgd"])
def test_other_optimisers_train_and_resume(data: Data, tiny_llava: Path, tmp_path: Path, name: str) -> None:
    config = small_config(tiny_llava, max_steps=6, optimizer={"name": name, "learning_rate": 0.3})
    job = build_job(tmp_path / "whole", data, config)
    run_here(job)
    losses = json.loads((job.out / "training.json").read_text())["loss"]
    assert losses["train_last"] < losses["train_first"]
    resumed = build_job(tmp_path / "resumed", data, config)
    _stop_after(resumed, 4, ("training",))
    run_here(resumed)
    assert result_files(resumed.out) == result_files(job.out)


def test_a_session_limit_ends_with_a_checkpoint_and_the_next_run_goes_on(
    data: Data, tiny_llava: Path, tmp_path: Path
) -> None:
    config = small_config(tiny_llava, max_steps=2, budget={"max_session_hours": 1e-9})
    job = build_job(tmp_path, data, config)
    error = _fails(job)
    assert (error.code, error.field) == ("session_limit", "budget.max_session_hours")
    assert (job.work / "checkpoints/checkpoint-1").is_dir()
    run_here(job)  # its only step is the last one: nothing is left to be stopped
    assert json.loads((job.out / "timings.json").read_text())["sessions"] == 2


def test_full_memory_says_what_was_needed_and_what_to_set(
    data: Data, tiny_llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    # The allocator's own refusal, in the middle of a step.
    monkeypatch.setattr("sam2_assets.training.loop.answer_loss", lambda *_: torch.empty(2**52))
    error = _fails(build_job(tmp_path, data, small_config(tiny_llava)))
    assert (error.code, error.field, error.value) == ("out_of_memory", "batch_size", "4")
    assert "16777216.00 GiB more were asked for" in str(error)
    assert "batch_size 2 with gradient_accumulation 2" in str(error.remedy)


def test_an_undecodable_picture_is_named_before_the_first_step(tiny_llava: Path, tmp_path: Path) -> None:
    broken = build_data(tmp_path / "data")
    (file,) = next(iter(broken.datasets.values())).glob("data/*.parquet")
    table = pq.read_table(file)
    records = table.to_pylist()
    records[3]["image"]["bytes"] = records[3]["image"]["bytes"][:-100]
    pq.write_table(pa.Table.from_pylist(records, schema=table.schema), file)
    error = _fails(build_job(tmp_path / "job", broken, small_config(tiny_llava)))
    video, frame = records[3]["video_id"], records[3]["frame_index"]
    assert (error.code, error.file) == ("picture_undecodable", f"{video}/{frame}/main_object")


def test_an_empty_train_split_is_refused(tiny_llava: Path, tmp_path: Path) -> None:
    empty = build_data(tmp_path / "data")
    file = empty.splits / "splits.parquet"
    table = pq.read_table(file)
    records = [{**record, "split": "test"} for record in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(records, schema=table.schema), file)
    job = build_job(tmp_path / "job", empty, small_config(tiny_llava))
    assert not job.plan.passed
    assert _fails(job).code == "no_training_samples"


def test_data_or_base_model_that_changed_after_planning_are_refused(tiny_llava: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_llava, base)
    other = build_data(tmp_path / "data")
    job = build_job(tmp_path / "job", other, small_config(base))
    (base / "generation_config.json").write_text("{}")
    assert _fails(job).code == "base_model_changed"
    file = other.splits / "splits.parquet"
    pq.write_table(pq.read_table(file).slice(1), file)
    error = _fails(job)
    assert isinstance(error, DatasetError)
    assert error.code == "data_not_as_planned"


def test_training_on_fewer_samples_is_a_seeded_choice_that_grows(data: Data) -> None:
    from sam2_assets.training.session import choose

    samples = load_samples(data.splits, data.datasets, "train")

    def chosen(count: int, seed: int = 0) -> list[str]:
        return [sample.sample_id for sample in choose(samples, count, seed)]

    assert chosen(5) == chosen(5)
    assert set(chosen(5)) < set(chosen(9))
    assert chosen(5) != chosen(5, seed=1)
    assert chosen(99) == [sample.sample_id for sample in samples]
