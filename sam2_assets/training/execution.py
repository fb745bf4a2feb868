"""One job from plan to published folder. Importing this loads no torch: a finished job is republished without it."""

from __future__ import annotations

from pathlib import Path

from sam2_assets.errors import DatasetError, TrainingError
from sam2_assets.training.curves import EVENTS_FILE, UNSEEN_FILE
from sam2_assets.training.identity import identify
from sam2_assets.training.inventory import splits_sha256
from sam2_assets.training.job import TrainingJob
from sam2_assets.training.plan import Plan
from sam2_assets.training.progress import Reporter
from sam2_assets.training.sealed import copy_sealed, damage, sealing
from sam2_assets.training.stopping import StopRequest

_RESULT = "result"


def execute(job: TrainingJob, reporter: Reporter, stop: StopRequest) -> None:
    """Train what the plan says, or go on where an earlier attempt ended, and write the result into ``job.out``.

    Raises:
        TrainingError: about plan, base model or the run itself.
        DatasetError: about splits or datasets.
        Interrupted: the process was asked to end; what was trained is in a checkpoint.
    """
    plan = Plan.read(job.plan)
    _same_data(job, plan)
    result = job.work / _RESULT
    owner = _owner(plan)
    if damage(result, owner) is None:
        reporter.report("finished", plan_hash=plan.plan_hash, already=True)
    else:
        _same_base_model(plan)
        _train_into(result, job, plan, reporter, stop)
        reporter.report("finished", plan_hash=plan.plan_hash, already=False)
    copy_sealed(result, job.out)
    curves = job.out / "logs" / UNSEEN_FILE
    if curves.exists():
        curves.replace(curves.with_name(EVENTS_FILE))


def _train_into(result: Path, job: TrainingJob, plan: Plan, reporter: Reporter, stop: StopRequest) -> None:
    from sam2_assets.training.session import train

    with sealing(result, _owner(plan)) as draft:
        train(plan, job, draft, reporter, stop)


def _owner(plan: Plan) -> str:
    """What a finished result belongs to: the same run publishes other weights or figures if they are asked for."""
    return f"{plan.plan_hash} {plan.config.published()}"


def _same_data(job: TrainingJob, plan: Plan) -> None:
    digest = splits_sha256(job.splits)
    if digest != plan.data.splits_sha256:
        raise DatasetError(
            "data_not_as_planned",
            "the splits are not those that the plan was made for",
            file=str(job.splits),
            field="splits_sha256",
            value=digest,
            remedy="Materialize training_plan again, or give the splits it names.",
        )


def _same_base_model(plan: Plan) -> None:
    config = plan.config
    found = identify(config.base_model, plan.base.commit or config.revision, plan.base.family)
    if found.fingerprint != plan.base.fingerprint:
        raise TrainingError(
            "base_model_changed",
            "the base model's files are not those that the plan was made for",
            file=config.base_model,
            field="fingerprint",
            value=found.fingerprint,
            remedy="Materialize training_plan again, or bring the planned base model back.",
        )
