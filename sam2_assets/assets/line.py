"""From splits to a served adapter: one factory, used per video and for the corpus."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg

from sam2_assets.approvals import approval_of
from sam2_assets.assets import showcase
from sam2_assets.assets.child_process import gpu_turn, run_child
from sam2_assets.assets.forms import form_of
from sam2_assets.assets.lineage import Materialized, materialized
from sam2_assets.assets.rollback import earlier_version
from sam2_assets.assets.scope import CORPUS, VIDEO, Scope
from sam2_assets.assets.station import Station, failures_explained
from sam2_assets.checks.gates import require_gates
from sam2_assets.errors import GateError, StoreError
from sam2_assets.evaluation import EvaluationSettings
from sam2_assets.evaluation.job import EvaluationJob
from sam2_assets.packaging import MEASURED_FILES, DeploymentSettings, ModelCardSettings, write_repository
from sam2_assets.packaging.job import DeploymentJob
from sam2_assets.resources import StoreResource
from sam2_assets.settings import write_section
from sam2_assets.store import ArtifactRef
from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.estimate import PastRun
from sam2_assets.training.job import TrainingJob
from sam2_assets.training.plan import PLAN_FILE, Plan, make_plan, needs_approval

TrainingForm = form_of(TrainingConfig)
EvaluationForm = form_of(EvaluationSettings)
CardForm = form_of(ModelCardSettings)
DeploymentForm = form_of(DeploymentSettings)
Result = dg.MaterializeResult[Any]
GPU_POOL = "gpu"
IMAGE_POOL = "image"
IMAGE_TAG = "sam2_assets/image"
"""Run tag with which a run asks for an image, whatever ``deployment.build`` says."""
IMAGE_REQUESTED = "build"
_REMEMBERED_RUNS = 10


def dataset_folders(station: Station, splits: ArtifactRef) -> dict[str, Path]:
    """The verified dataset folder of every video that the splits name, by video id."""
    named = station.store.inputs(splits)
    return {
        name.removeprefix("dataset:"): station.folder(ref)
        for name, ref in sorted(named.items())
        if name.startswith("dataset:")
    }


def past_runs(instance: dg.DagsterInstance, station: Station) -> list[PastRun]:
    """What the newest training runs measured, per video and of the corpus, oldest first."""
    found: list[tuple[int, PastRun]] = []
    for key in (VIDEO.key("lora_adapter"), CORPUS.key("lora_adapter")):
        for record in instance.fetch_materializations(key, limit=_REMEMBERED_RUNS).records:
            made = materialized(record)
            if made is None:
                continue
            try:
                timings = station.store.open_file(made.ref, "timings.json").read_text(encoding="utf-8")
            except StoreError:
                # Pruned or damaged: it teaches nothing about speed, and the plan says what it is based on.
                continue
            measured = json.loads(timings)["past_run"]
            if measured is not None:
                found.append((made.storage_id, PastRun.model_validate(measured)))
    return [run for _, run in sorted(found, key=lambda pair: pair[0])]


def import_records(station: Station, splits: ArtifactRef) -> dict[str, Path]:
    """The folder with the import record of every video behind the splits, by partition."""
    named = station.store.inputs(splits)
    if station.partition is not None:
        of_partition = {station.partition: named["raw_export"]}
    else:
        members = {name.removeprefix("splits:"): ref for name, ref in named.items() if name.startswith("splits:")}
        of_partition = {name: station.store.inputs(ref)["raw_export"] for name, ref in sorted(members.items())}
    return {name: station.store.open_file(ref, "import.json").parent for name, ref in of_partition.items()}


def _require_approval(station: Station, plan: Plan, scope: Scope) -> str:
    """Who approved the plan, or that it needs nobody.

    Raises:
        GateError: ``not_approved``.
    """
    approval = approval_of(station.store.files, plan.plan_hash)
    if approval is not None:
        return f"{approval.approved_by}, {approval.approved_at.isoformat()}"
    if not needs_approval(plan):
        return "not needed: below training.budget.auto_approve_gpu_hours"
    raise GateError(
        "not_approved",
        f"the plan needs {plan.estimate.gpu_hours:.3g} GPU-hours and nobody has approved it",
        file=f"{scope.key('training_plan').to_user_string()} {plan.plan_hash[:12]}",
        remedy=f"Look at the plan, then: sam2-assets approve {station.partition or 'corpus'}",
    )


def _image_name(station: Station, settings: DeploymentSettings) -> str | None:
    """The name of the image to build, if one is due: of the corpus always, of one export on request."""
    name = station.partition or "corpus"
    if station.context.run.tags.get(IMAGE_TAG) == IMAGE_REQUESTED or settings.build == "always":
        return name
    return name if settings.build == "corpus" and station.partition is None else None


def training_line(scope: Scope) -> list[dg.AssetsDefinition]:
    """The assets from ``training_plan`` to ``deploy_image`` of one scope."""
    splits_key, plan_key, adapter_key = scope.key("splits"), scope.key("training_plan"), scope.key("lora_adapter")
    evaluation_key, card_key = scope.key("evaluation"), scope.key("model_card")

    @dg.asset(
        key=plan_key, deps=[splits_key], partitions_def=scope.partitions, group_name=scope.group, code_version="1"
    )
    def training_plan(context: dg.AssetExecutionContext, config: TrainingForm, store: StoreResource) -> Result:  # type: ignore[valid-type]
        """What the training would do, need and cost, before any GPU starts. Then it waits for an approval."""
        with failures_explained():
            station = Station(context, store, "training", config)
            splits = station.take(splits_key, scope.split_gates)
            settings = station.settings().settings.training
            plan = make_plan(
                station.folder(splits),
                settings,
                datasets=dataset_folders(station, splits.ref),
                history=past_runs(context.instance, station),
            )
            with station.publish() as draft:
                (draft.folder / PLAN_FILE).write_text(plan.to_json(), encoding="utf-8")
            approved = not needs_approval(plan) or approval_of(station.store.files, plan.plan_hash) is not None
            return station.result(draft.published, showcase.of_plan(plan, approved, station.partition or "corpus"))

    @dg.asset(
        key=adapter_key,
        deps=[plan_key],
        partitions_def=scope.partitions,
        group_name=scope.group,
        code_version="1",
        pool=GPU_POOL,
        kinds={"pytorch"},
    )
    def lora_adapter(context: dg.AssetExecutionContext, store: StoreResource) -> Result:
        """Executes the approved plan in a child process; resumes from the plan's last checkpoint if there is one."""
        with failures_explained():
            station = Station(context, store)
            if (earlier := earlier_version(station)) is not None:
                return earlier
            planned = station.take(plan_key, scope.plan_gates)
            plan = Plan.read(station.folder(planned) / PLAN_FILE)
            splits = station.store.inputs(planned.ref)["splits"]
            require_gates(
                context.instance, Materialized(splits_key, station.partition, splits, 0, ""), scope.split_gates
            )
            approved_by = _require_approval(station, plan, scope)
            with (
                station.store.work(plan.plan_hash, f"run {context.run.run_id}") as held,
                gpu_turn(context, station.store) as gpu,
                station.publish({"splits": splits}) as draft,
            ):
                job = TrainingJob(
                    plan=station.folder(planned) / PLAN_FILE,
                    splits=station.folder(splits),
                    datasets=dataset_folders(station, splits),
                    work=held.folder,
                    out=draft.folder,
                )
                run_child(context, job, held.folder, inherited=[held.descriptor, gpu])
                draft.measured.add("timings.json")
                facts = showcase.of_adapter(draft.folder)
            return station.result(draft.published, {"approved_by": approved_by, "plan_hash": plan.plan_hash, **facts})

    @dg.asset(
        key=evaluation_key,
        deps=[adapter_key],
        partitions_def=scope.partitions,
        group_name=scope.group,
        code_version="1",
        pool=GPU_POOL,
        kinds={"pytorch"},
    )
    def evaluation(context: dg.AssetExecutionContext, config: EvaluationForm, store: StoreResource) -> Result:  # type: ignore[valid-type]
        """The adapter's score on the test frames, beside the base model, a control and a baseline, with intervals."""
        with failures_explained():
            station = Station(context, store, "evaluation", config)
            adapter = station.take(adapter_key)
            settings = station.settings().settings.evaluation
            made_from = station.store.inputs(adapter.ref)
            plan, splits = made_from["training_plan"], made_from["splits"]
            with (
                gpu_turn(context, station.store) as gpu,
                station.publish({"training_plan": plan, "splits": splits}) as draft,
                TemporaryDirectory() as scratch,
            ):
                job = EvaluationJob(
                    plan=station.folder(plan) / PLAN_FILE,
                    splits=station.folder(splits),
                    datasets=dataset_folders(station, splits),
                    adapter=station.folder(adapter),
                    settings=settings,
                    out=draft.folder,
                )
                run_child(context, job, Path(scratch), inherited=[gpu])
                write_section(settings, draft.folder)
                facts = showcase.of_evaluation(draft.folder)
            return station.result(draft.published, facts)

    @dg.asset(
        key=card_key, deps=[evaluation_key], partitions_def=scope.partitions, group_name=scope.group, code_version="1"
    )
    def model_card(context: dg.AssetExecutionContext, config: CardForm, store: StoreResource) -> Result:  # type: ignore[valid-type]
        """The model repository: adapter, card with the measured numbers, a runnable example."""
        with failures_explained():
            station = Station(context, store, "card", config)
            measured = station.take(evaluation_key)
            made_from = station.store.inputs(measured.ref)
            with station.publish(made_from) as draft:
                write_repository(
                    adapter=station.folder(made_from["lora_adapter"]),
                    evaluation=station.folder(measured),
                    plan=station.folder(made_from["training_plan"]),
                    splits=station.folder(made_from["splits"]),
                    out=draft.folder,
                    settings=station.settings().settings.card,
                    imports=import_records(station, made_from["splits"]),
                )
                facts = showcase.of_card(draft.folder)
            return station.result(draft.published, facts)

    @dg.asset(
        key=scope.key("deploy_image"),
        deps=[card_key],
        partitions_def=scope.partitions,
        group_name=scope.group,
        code_version="1",
        pool=IMAGE_POOL,
        kinds={"docker"},
    )
    def deploy_image(context: dg.AssetExecutionContext, config: DeploymentForm, store: StoreResource) -> Result:  # type: ignore[valid-type]
        """An image (or its build context, see deployment.build) that was started and answered as evaluated."""
        with failures_explained():
            station = Station(context, store, "deployment", config)
            repository = station.take(card_key)
            made_from = station.store.inputs(repository.ref)
            splits = made_from["splits"]
            settings = station.settings().settings.deployment
            with station.publish(made_from) as draft, TemporaryDirectory() as scratch:
                job = DeploymentJob(
                    repository=station.folder(repository),
                    evaluation=station.folder(made_from["evaluation"]),
                    plan=station.folder(made_from["training_plan"]) / PLAN_FILE,
                    settings=settings,
                    splits=station.folder(splits),
                    datasets=dataset_folders(station, splits),
                    out=draft.folder,
                    image=_image_name(station, settings),
                )
                run_child(context, job, Path(scratch))
                draft.measured.update(MEASURED_FILES)
                facts = showcase.of_deployment(draft.folder)
            return station.result(draft.published, facts)

    return [training_plan, lora_adapter, evaluation, model_card, deploy_image]
