"""The one ``Definitions``: what ``workspace.yaml`` loads."""

from __future__ import annotations

import dagster as dg

from sam2_assets.assets.corpus import corpus_splits
from sam2_assets.assets.line import training_line
from sam2_assets.assets.scope import CORPUS, VIDEO
from sam2_assets.assets.video import instruction_dataset, quality_report, raw_export, splits
from sam2_assets.automation.conditions import automated, condition_sensor
from sam2_assets.automation.image_sensor import corpus_image_sensor
from sam2_assets.automation.inbox_sensor import build_inbox_sensor
from sam2_assets.automation.jobs import JOBS
from sam2_assets.automation.notification_sensor import notification_sensor
from sam2_assets.automation.retraining import build_forced_retraining
from sam2_assets.automation.settings import AutomationSettings
from sam2_assets.automation.training_sensor import build_training_sensor
from sam2_assets.checks.export_checks import export_checks
from sam2_assets.checks.training_checks import training_gates
from sam2_assets.resources import StoreResource
from sam2_assets.resources.store import default_inbox, default_root


def build_definitions(root: str | None = None, automation: AutomationSettings | None = None) -> dg.Definitions:
    """Everything.

    Args:
        root: of the store (default: see ``resources.store.default_root``).
        automation: what starts by itself (default: as the environment says).
    """
    automation = automation or AutomationSettings.read()
    assets = [
        raw_export,
        instruction_dataset,
        quality_report,
        splits,
        *training_line(VIDEO),
        corpus_splits,
        *training_line(CORPUS),
    ]
    return dg.Definitions(
        assets=automated(assets, automation),
        asset_checks=[export_checks, *training_gates(VIDEO), *training_gates(CORPUS)],
        sensors=[
            build_inbox_sensor(automation),
            *condition_sensor(automation),
            build_training_sensor(automation),
            *([corpus_image_sensor] if automation.enabled else []),
            notification_sensor,
        ],
        schedules=build_forced_retraining(automation),
        jobs=JOBS,
        resources={"store": StoreResource(root=root or default_root(), inbox=default_inbox())},
    )


defs = build_definitions()
