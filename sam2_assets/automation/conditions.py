"""When an asset is materialized by itself: one table, and the conditions in it. ``decisions/0019`` says why.

The inbox sensor starts the line of an upload as one run (``ingest``). The conditions see that run's planned steps as
under way, so they add only what it leaves open: what a waiver or a repeated check released, what a person imported
anew by hand, what downtime or a cancelled run left missing. Nothing here starts a training: see ``training_sensor``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

from sam2_assets.assets.scope import CORPUS, SIZE_GATE, VIDEO
from sam2_assets.automation.settings import AutomationSettings

_AC = dg.AutomationCondition
Condition = dg.AutomationCondition[Any]


def follow_upstream() -> Condition:
    """As soon as its inputs are there, changed or released by their gates; once for each change."""
    checked = _AC.all_checks_match(_AC.check_passed(), blocking_only=True)
    gates = _AC.all_deps_match(checked)
    # Upstream that is requested in this very tick has its checks in the same run: so a whole line goes in one.
    gates_will_do = _AC.all_deps_match(_AC.will_be_requested() | checked)
    ready = ~_AC.any_deps_missing() & ~_AC.any_deps_in_progress() & ~_AC.in_progress()
    # Not in the tick in which a run was seen to end: what is missing was asked before what is under way, so a run that
    # ends between the two questions would leave a gap that is none.
    settled = ~(~_AC.in_progress()).newly_true()
    # By data version: identical bytes published again are no news.
    changed = _AC.any_deps_match(_AC.data_version_changed() | _AC.will_be_requested())
    reopened = gates.newly_true() & _AC.execution_failed()
    catch_up = _AC.missing() & ~_AC.execution_failed()
    # A run that failed has handled what came before it, too: else the news that it left pending would launch it again.
    handled = _AC.newly_requested() | _AC.newly_updated() | _AC.execution_failed().newly_true()
    news = (_AC.newly_missing() | changed | reopened).since(handled | _AC.initial_evaluation()) | catch_up
    return (news & ready & settled & gates_will_do).with_label("its inputs are there and have passed their gates")


def corpus_when_due(settings: AutomationSettings) -> Condition:
    """At the time of ``settings.retrain``, if a video that passed its gates is new, changed or released since."""
    # A video too short to be tested on alone may still teach: the same gates as the asset itself asks for.
    too_short = dg.AssetSelection.checks(VIDEO.gate("splits", SIZE_GATE))
    fit = _AC.all_checks_match(_AC.check_passed(), blocking_only=True).ignore(too_short)
    usable = ~_AC.missing() & fit
    # In both orders: the checks end after the data is there, and by a waiver they may pass much later.
    new = _AC.any_deps_match((usable & _AC.data_version_changed()) | usable.newly_true())
    due = _AC.cron_tick_passed(settings.retrain, settings.timezone)
    # Reset by news, not only by a request: after a quiet night it would stay due and the next video start it by day.
    in_time = due.since(new | _AC.newly_requested())
    # Not since_last_handled: news of the tick in which a version is requested or made would be forgotten with what that
    # version has seen. At worst one version of the same data follows, which starts nothing further.
    pending = new.since(_AC.newly_requested() & ~new)
    return (pending & in_time & ~_AC.in_progress()).with_label("it is time, and there is new data")


def conditions(settings: AutomationSettings) -> dict[dg.AssetKey, Condition]:
    """The condition of every asset that has one. ``raw_export`` has none: the inbox sensor knows when it is due."""
    if not settings.enabled:
        return {}
    following = [VIDEO.key(name) for name in ("instruction_dataset", "quality_report", "splits", "training_plan")]
    return {
        **{key: follow_upstream() for key in [*following, CORPUS.key("training_plan")]},
        CORPUS.key("splits"): corpus_when_due(settings),
    }


def automated(assets: Sequence[dg.AssetsDefinition], settings: AutomationSettings) -> list[dg.AssetsDefinition]:
    """The assets with their conditions."""
    table = conditions(settings)

    def conditioned(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(automation_condition=table[spec.key]) if spec.key in table else spec

    return [asset.map_asset_specs(conditioned) for asset in assets]


def condition_sensor(settings: AutomationSettings) -> list[dg.AutomationConditionSensorDefinition]:
    """What evaluates the conditions: Dagster's own one would be switched off until somebody finds the switch."""
    if not settings.enabled:
        return []
    return [
        dg.AutomationConditionSensorDefinition(
            "conditions",
            target=dg.AssetSelection.assets(*conditions(settings)),
            default_status=dg.DefaultSensorStatus.RUNNING,
            minimum_interval_seconds=30,
            description="Materializes what its inputs allow, up to the training plan, and the corpus when it is due.",
        )
    ]
