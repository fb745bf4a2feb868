"""``sam2-assets plan`` and ``train``: the line from exports to a model repository in one folder, without Dagster.

The run file names exports and an output folder, and holds the same sections as every settings file:

    exports: [cats.zip, {archive: dogs.zip, video: dogs.mp4}]
    out: runs/animals
    training: {base_model: models/llava, epochs: 2}

The stations and the gates are the graph's; what a station made is reused while its inputs are the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sam2_assets.cli.interruption import kept
from sam2_assets.cli.local import require_sound_tables
from sam2_assets.cli.printing import printable
from sam2_assets.cli.progress import in_full
from sam2_assets.errors import GateError, SettingsError
from sam2_assets.evaluation.job import EvaluationJob
from sam2_assets.exports import read_export
from sam2_assets.exports.importer import IMPORT_FILE
from sam2_assets.instructions import build_dataset
from sam2_assets.instructions.reading import EVIDENCE_FILE
from sam2_assets.packaging import write_repository
from sam2_assets.packaging.serving import ADAPTER_WEIGHTS
from sam2_assets.quality import Stage, assess
from sam2_assets.settings import Layer, Settings, read_layer, resolve
from sam2_assets.splitting import Previous, Source, enough_samples, no_leakage, parse_custom, read_splits, split
from sam2_assets.splitting.facts import VIDEOS_FILE
from sam2_assets.store import file_sha256
from sam2_assets.tables import Tables
from sam2_assets.training.child import ended_badly
from sam2_assets.training.job import TrainingJob
from sam2_assets.training.job_file import JobFile
from sam2_assets.training.plan import PLAN_FILE, Plan, make_plan
from sam2_assets.training.progress import ENDED_BADLY
from sam2_assets.training.sealed import copy_sealed, damage, sealing
from sam2_assets.workarea import Lease, lease

_EXIT_GATE = 3
_WORK = "work"


class RunExport(BaseModel):
    """One export of a run file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    archive: Path
    video: Path | None = None


class _RunFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    exports: list[RunExport] = Field(min_length=1)
    out: Path


@dataclass(frozen=True)
class PreparedRun:
    """Splits and datasets of a run file, ready to plan."""

    settings: Settings
    splits: Path
    datasets: dict[str, Path]
    imports: dict[str, Path]
    out: Path
    held: Lease


def read_run_file(path: Path) -> tuple[list[RunExport], Path, Settings]:
    """Exports, output folder and settings of a run file; relative paths count from the file.

    Raises:
        SettingsError: naming the field.
    """
    values = dict(read_layer(path).values)
    if not values:
        raise SettingsError("empty_run_file", "there is nothing in it", file=str(path), remedy="See docs/command.md.")
    own: dict[str, Any] = {name: values.pop(name) for name in ("exports", "out") if name in values}
    if isinstance(own.get("exports"), list):
        own["exports"] = [{"archive": e} if isinstance(e, str) else e for e in own["exports"]]
    try:
        parsed = _RunFile.model_validate(own)
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(
            "invalid_run_file",
            first["msg"],
            file=str(path),
            field=".".join(str(part) for part in first["loc"]),
            value=first["input"],
            remedy="A run file has exports, out, and the sections of a settings file.",
        ) from error
    base = path.parent
    settings = resolve([Layer(str(path), values)]).settings
    model = base / settings.training.base_model
    if model.is_dir():
        training = settings.training.model_copy(update={"base_model": str(model.resolve())})
        settings = settings.model_copy(update={"training": training})
    exports = [RunExport(archive=base / e.archive, video=base / e.video if e.video else None) for e in parsed.exports]
    return exports, (base / parsed.out).resolve(), settings


@contextmanager
def _prepared(path: Path, command: str) -> Iterator[PreparedRun]:
    """The run of a run file, alone in its ``out``: a second one would put its plan under a training that goes on.

    Raises:
        GateError: ``work_in_use``, or a gate is closed.
    """
    exports, out, settings = read_run_file(path)
    with lease(out, _WORK, f"sam2-assets {command} (process {os.getpid()}, or what it started)") as held:
        yield _prepare(path, exports, out, settings, held)


def _prepare(path: Path, exports: list[RunExport], out: Path, settings: Settings, held: Lease) -> PreparedRun:
    sources, datasets, imports = [], {}, {}
    for number, export in enumerate(exports, 1):
        print(f"[{number}/{len(exports)}] {export.archive.name}", flush=True)
        raw, dataset = _import(export, out / "videos", settings)
        findings = assess(Tables.read(raw), raw, settings.quality)
        for verdict in findings.stopping(Stage.TRAINING_PLAN):
            raise GateError(
                "gate_failed",
                f"gate {verdict.check_id} failed: {verdict.examples[0] if verdict.examples else ''}",
                file=str(export.archive),
                remedy=f"{verdict.remedy} Or waive it: quality.waivers.{verdict.check_id}: <reason>.",
            )
        video_id = Tables.read(raw).video_id
        datasets[video_id] = dataset
        imports[export.archive.stem] = raw
        digest = hashlib.sha256("".join(file_sha256(p) for p in sorted((dataset / "data").iterdir())).encode())
        reference = {"sha256": digest.hexdigest()}
        sources.append(
            Source(video_id, export.archive.stem, dataset, reference, findings.waivers, _appearance(raw), raw)
        )
    splits = _split(sources, path.parent, out / "splits", settings)
    table = read_splits(splits)
    for gate in (no_leakage(table, settings.splitting), enough_samples(table, settings.splitting)):
        if not gate.passed:
            less = f" Or ask for less: {', '.join(gate.settings)}." if gate.settings else ""
            raise GateError("gate_failed", gate.message, file=str(splits), remedy=f"{gate.remedy}{less}")
    return PreparedRun(settings, splits, datasets, imports, out, held)


def _appearance(raw: Path) -> dict[str, str]:
    return dict(json.loads((raw / IMPORT_FILE).read_text(encoding="utf-8"))["appearance"])


def _split(sources: list[Source], base: Path, splits: Path, settings: Settings) -> Path:
    """Split the videos into ``splits``; of an earlier run there, videos keep their sides."""
    chosen = settings.splitting
    custom = None
    if chosen.strategy == "custom":
        file = base / chosen.custom_file
        custom = parse_custom(file.read_bytes() if file.is_file() else None, chosen.custom_file)
    previous = Previous.read(splits) if (splits / VIDEOS_FILE).is_file() else None
    draft = _fresh(splits.with_name(".draft-splits"))
    made = split(sources, draft, chosen, custom=custom, previous=previous, label_map=settings.importing.label_map)
    shutil.rmtree(splits, ignore_errors=True)
    draft.rename(splits)
    used = ", ".join(f"{made.counts[name]} {name}" for name in ("train", "val", "test"))
    print(f"splits: {made.strategy}{f' ({made.strategy_reason})' if made.strategy_reason else ''}: {used} frames")
    for partition, reason in made.corpus_only.items():
        print(f"  {partition} is corpus only, all its frames train: {reason}")
    followed = json.loads((splits / EVIDENCE_FILE).read_text(encoding="utf-8"))["custom"] or {}
    for unknown in followed.get("lines_without_video", []):
        print(
            f"  {followed['file']}: line {unknown['line']} is about {unknown['video']}, which is not among the exports"
        )
    return splits


def _import(export: RunExport, videos: Path, settings: Settings) -> tuple[Path, Path]:
    """Read one export and build its dataset, unless that was done before with the same inputs and settings."""
    parts = [
        settings.importing.model_dump_json(),
        settings.instructions.model_dump_json(),
        settings.quality.model_dump_json(),
    ]
    parts += [file_sha256(p) for p in (export.archive, export.video) if p is not None and p.is_file()]
    identity = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    place = videos / f"{export.archive.stem}-{identity[:12]}"
    if not place.exists():
        draft = _fresh(place.with_name(f".draft-{place.name}"))
        (draft / "raw").mkdir()
        (draft / "dataset").mkdir()
        read_export(export.archive, draft / "raw", video=export.video, settings=settings.importing)
        require_sound_tables(export.archive, draft / "raw", settings.quality)
        build_dataset(draft / "raw", draft / "dataset", settings.instructions)
        draft.rename(place)
    return place / "raw", place / "dataset"


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _make_plan(run: PreparedRun) -> Plan:
    made = make_plan(run.splits, run.settings.training, datasets=run.datasets)
    (run.out / PLAN_FILE).write_text(made.to_json(), encoding="utf-8")
    figures = made.estimate
    print(
        f"plan {made.plan_hash[:12]}: {made.base.name} ({made.base.family}), {made.data.train_samples} samples, "
        f"{figures.steps} steps, {figures.memory_gib:.1f} GiB, about {figures.seconds / 60:.0f} min "
        f"({figures.based_on}), cost {figures.cost:.2f}"
    )
    card = made.config.card
    print(
        f"planned for the declared card: {card.name}, {card.memory_gib:g} GiB, {card.peak_tflops:g} TFLOP/s, "
        f"{card.bandwidth_gb_per_s:g} GB/s; for another one set training.card.name, memory_gib, peak_tflops and "
        "bandwidth_gb_per_s"
    )
    for check in made.checks:
        print(
            f"  ok     {check.id}: {check.message}"
            if check.passed
            else f"  FAILED {check.id}: {check.message}. {check.remedy}"
        )
    return made


def plan(path: Path) -> int:
    """Prepare the data of a run file and print its plan; exit code 3 where a check of the plan fails."""
    with kept("the exports that were read are kept; the same command goes on"), _prepared(path, "plan") as run:
        return 0 if _make_plan(run).passed else _EXIT_GATE


def _child(job: JobFile, run: PreparedRun) -> None:
    """Run a child to its end, saying its reports; where it fails it says why, and its exit code becomes ours.

    Raises:
        SystemExit: with its exit code.
        TrainingError: ``child_failed``, where it could not say why itself.
    """
    file = run.out / f"{job.CHILD.rsplit('.', 1)[1]}.job.json"
    job.write(file)
    with subprocess.Popen(
        [sys.executable, "-m", job.CHILD, str(file)],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        # A child that outlives us still writes there: it keeps the next run out.
        pass_fds=[run.held.descriptor],
    ) as child:
        assert child.stdout is not None
        try:
            _say(child.stdout)
        except KeyboardInterrupt:
            # A terminal sends Ctrl-C to both; a child that was told twice only stops once.
            child.terminate()
            _say(child.stdout)
            raise
    if child.returncode < 0:
        raise ended_badly(job.CHILD, child.returncode, said="See what it printed above.")
    if child.returncode:
        raise SystemExit(child.returncode)


def _say(reports: Iterable[str]) -> None:
    """Print what a child reports, one plain line each; its failure stands on stderr already."""
    for line in reports:
        try:
            told = json.loads(line)
        except json.JSONDecodeError:
            told = None
        if not isinstance(told, dict):  # something that a library printed
            print(printable(line), flush=True)
        elif told.get("phase") not in ENDED_BADLY:
            print(in_full(told), flush=True)


def train(path: Path) -> int:
    """Prepare, plan, train, evaluate and write the model repository of a run file into its ``out`` folder.

    Raises:
        SystemExit: with the exit code of the child that failed.
        TrainingError: ``child_failed``: it was killed.
        StoppedError: Ctrl-C.
    """
    words = "what was finished is kept; the same command goes on, a training from its last checkpoint"
    with kept(words), _prepared(path, "train") as run:
        return _train(run)


def _train(run: PreparedRun) -> int:
    made = _make_plan(run)
    if not made.passed:
        return _EXIT_GATE
    work, draft = run.out / _WORK / made.plan_hash, _fresh(run.out / ".draft-adapter")
    _child(TrainingJob(plan=run.out / PLAN_FILE, splits=run.splits, datasets=run.datasets, work=work, out=draft), run)
    trained = _put_in_place(draft, run.out / "adapter")
    measured = _measure(run, made, trained, work / "evaluation")
    draft = _fresh(run.out / ".draft-model")
    write_repository(
        adapter=trained,
        evaluation=measured,
        plan=run.out / PLAN_FILE,
        splits=run.splits,
        out=draft,
        settings=run.settings.card,
        imports=run.imports,
    )
    repository = _put_in_place(draft, run.out / "model")
    base = f" --base-model {made.config.base_model}" if Path(made.config.base_model).is_dir() else ""
    print(f"next: sam2-assets serve {repository}{base}")
    return 0


def _put_in_place(draft: Path, place: Path) -> Path:
    """What is complete takes the place of an older one, which a failure before this leaves as it was."""
    shutil.rmtree(place, ignore_errors=True)
    return draft.rename(place)


def _measure(run: PreparedRun, made: Plan, adapter: Path, kept: Path) -> Path:
    """Evaluate, unless these weights were evaluated before with the same settings."""
    settings = run.settings.evaluation
    # One plan can publish the weights of several of its checkpoints. How long an answer may be decides no weights.
    weights, longest = file_sha256(adapter / "adapter" / ADAPTER_WEIGHTS), made.config.max_answer_tokens
    deciding = f"{made.plan_hash}\n{weights}\n{longest}\n{settings.model_dump_json()}"
    identity = hashlib.sha256(deciding.encode()).hexdigest()
    if damage(kept, identity) is not None:
        with sealing(kept, identity) as draft:
            job = EvaluationJob(
                plan=run.out / PLAN_FILE,
                splits=run.splits,
                datasets=run.datasets,
                adapter=adapter,
                out=draft,
                settings=settings,
            )
            _child(job, run)
    measured = _fresh(run.out / "evaluation")
    copy_sealed(kept, measured)
    return measured
