"""A month of automation in seconds: the real sensors and conditions on the real graph, with stations that only say so.

Every asset and check of the definitions is replaced by one of the same key, inputs, partitions and condition whose body
asks the ``World``. Runs are executed by Dagster; a failed gate fails its run as in life. Time is what the replay says.
"""

import datetime
import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from sam2_assets.approvals import approve
from sam2_assets.assets.lineage import current, current_of_all_partitions
from sam2_assets.assets.scope import CORPUS, LEAKAGE_GATE, PLAN_GATES, SIZE_GATE, SOUND_TABLES, VIDEO
from sam2_assets.assets.video import UPLOAD_FINGERPRINT
from sam2_assets.automation import intake, training_sensor
from sam2_assets.automation.inbox_sensor import build_inbox_sensor
from sam2_assets.automation.jobs import JOBS
from sam2_assets.automation.settings import AutomationSettings
from sam2_assets.automation.training_sensor import NEEDS_APPROVAL, PLAN_HASH, build_training_sensor
from sam2_assets.definitions import build_definitions
from sam2_assets.inbox import scan
from sam2_assets.partitions import videos
from sam2_assets.resources import StoreResource

SETTINGS = AutomationSettings(wait_for_video_s=0)
BEGIN = datetime.datetime(2026, 11, 1, 12, tzinfo=datetime.UTC)
REJECTED = b"masks of nothing"
SMALL = b"a small one"
GATE = SOUND_TABLES[0]
KEPT = {VIDEO.gate("raw_export", GATE.id)} | {
    scope.gate(asset, name)
    for scope in (VIDEO, CORPUS)
    for asset, names in (("splits", (LEAKAGE_GATE, SIZE_GATE)), ("training_plan", PLAN_GATES))
    for name in names
}
"""The gates that are played."""


@dataclass
class Launch:
    """One run: when, what started it, of what, and how it ended."""

    day: int
    by: str
    target: str
    assets: tuple[str, ...]
    success: bool


@dataclass
class World:
    """The platform with a clock to turn."""

    folder: Path
    instance: dg.DagsterInstance
    now: datetime.datetime = BEGIN
    launches: list[Launch] = field(default_factory=list)
    waived: set[str] = field(default_factory=set)
    cursors: dict[str, Any] = field(default_factory=dict)
    contents: dict[str | None, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = StoreResource(root=str(self.folder))
        self.definitions = stand_ins(self)

    # What a person does.

    def put(self, name: str, contents: bytes) -> None:
        self.store.open().inbox.write(f"{name}.zip", contents)

    def partition(self, name: str) -> str:
        return next(u.partition for u in scan(self.store.open().inbox) if u.object_key == f"{name}.zip")

    def approve(self, name: str | None) -> None:
        scope, partition = (CORPUS, None) if name is None else (VIDEO, self.partition(name))
        found = current(self.instance, scope.key("training_plan"), partition)
        assert found is not None
        approve(self.store.open().files, plan_hash(found.ref.sha256), "a person")

    def waive(self, name: str) -> None:
        """As in the project's settings, where no sensor looks: so the check is executed again, alone."""
        partition = self.partition(name)
        self.waived.add(partition)
        keys = {key for check in self.definitions.asset_checks or () for key in check.check_keys}
        of_export = {key for key in keys if key.asset_key == VIDEO.key("raw_export")}
        job = self.definitions.resolve_job_def("any_video")
        done = job.get_subset(asset_selection=set(), asset_check_selection=of_export).execute_in_process(
            instance=self.instance, tags={"dagster/partition": partition}
        )
        assert done.success

    def run(self, job: str, partition: str | None, by: str, **options: Any) -> None:
        """Execute a job here and write it down."""
        done = self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance, partition_key=partition, raise_on_error=False, **options
        )
        made = tuple(e.asset_key.path[-1] for e in done.get_asset_materialization_events() if e.asset_key)
        self._note(by, partition, made, done.success)

    def _note(self, by: str, partition: str | None, made: Sequence[str], success: bool) -> None:
        name = next((u.object_key for u in scan(self.store.open().inbox) if u.partition == partition), "corpus")
        self.launches.append(Launch(self.day, by, name.removesuffix(".zip"), tuple(made), success))

    # What happens by itself.

    @property
    def day(self) -> int:
        return (self.now - BEGIN).days + 1

    def tick(self, hours: float = 6.0) -> None:
        """Let time pass, then ask both sensors and the conditions."""
        self.now += datetime.timedelta(hours=hours)
        for sensor in (build_inbox_sensor(SETTINGS), build_training_sensor(SETTINGS)):
            self._ask(sensor)
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)
            # The daemon's evaluator keeps the list of partitions for a tick; this one asks a thousand times.
            known = self.instance.get_dynamic_partitions(str(videos.name))
            patch.setattr(self.instance, "get_dynamic_partitions", lambda partitions_def_name: known)
            found = dg.evaluate_automation_conditions(
                self.definitions,
                self.instance,
                evaluation_time=self.now,
                cursor=self.cursors.get("conditions"),
            )
        self.cursors["conditions"] = found.cursor
        wanted: dict[str | None, list[dg.AssetKey]] = {}
        for result in found.results:
            if result.true_subset.is_partitioned:
                for partition in result.true_subset.expensively_compute_partition_keys():
                    wanted.setdefault(partition, []).append(result.key)  # type: ignore[arg-type]
            elif not result.true_subset.is_empty:
                wanted.setdefault(None, []).append(result.key)  # type: ignore[arg-type]
        for partition, keys in wanted.items():
            self.run("any_video" if partition else "any_corpus", partition, "conditions", asset_selection=keys)

    def days(self, count: int) -> None:
        """Whole days, looked at soon after something happened, and after the time of the retraining."""
        for _ in range(count):
            self.tick(1)
            self.tick(14)
            self.now += datetime.timedelta(hours=9)

    def _ask(self, sensor: dg.SensorDefinition) -> None:
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursors.get(sensor.name), resources={"store": self.store}
        )
        outcome = sensor(context)
        if not isinstance(outcome, dg.SensorResult):
            self.cursors[sensor.name] = context.cursor
            return
        self.cursors[sensor.name] = outcome.cursor
        for added in outcome.dynamic_partitions_requests or ():
            assert isinstance(added, dg.AddDynamicPartitionsRequest)
            self.instance.add_dynamic_partitions(added.partitions_def_name, list(added.partition_keys))
        for request in outcome.run_requests or ():
            assert isinstance(request, dg.RunRequest)
            tags = {**request.tags, "dagster/run_key": str(request.run_key)}
            if self.instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": str(request.run_key)})):
                continue  # as the daemon does
            job = request.job_name or "ingest"
            self.run(job, request.partition_key, sensor.name, tags=tags)


def _sha(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def plan_hash(version: str) -> str:
    """Of a plan that was published with this version."""
    return _sha("plan", version)


def stand_ins(world: World) -> dg.Definitions:
    """The graph of the definitions, with bodies that only say what they would do."""
    with_conditions = build_definitions(str(world.folder), SETTINGS)
    assets = [asset for asset in with_conditions.assets or () if isinstance(asset, dg.AssetsDefinition)]
    checks = [check for check in with_conditions.asset_checks or () if isinstance(check, dg.AssetChecksDefinition)]
    corpus = dg.AssetSelection.assets(*(key for asset in assets for key in asset.keys if key.path[0] == "corpus"))
    return dg.Definitions(
        assets=[_asset(world, spec) for asset in assets for spec in asset.specs],
        asset_checks=[_checks(world, check) for check in checks],
        jobs=[
            *JOBS,
            dg.define_asset_job("any_video", dg.AssetSelection.all() - corpus),
            dg.define_asset_job("any_corpus", corpus),
        ],
        executor=dg.in_process_executor,
    )


def _asset(world: World, spec: dg.AssetSpec) -> dg.AssetsDefinition:
    @dg.asset(
        key=spec.key,
        deps=list(spec.deps),
        partitions_def=spec.partitions_def,
        automation_condition=spec.automation_condition,
    )
    def station(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        partition = context.partition_key if context.has_partition_key else None
        name = spec.key.path[-1]
        facts: dict[str, Any] = {}
        if spec.key == CORPUS.key("splits"):
            gates = [VIDEO.gate("splits", LEAKAGE_GATE)]
            members, _ = current_of_all_partitions(context.instance, VIDEO.key("splits"), gates)
            if not members:
                raise dg.Failure("empty_corpus")
            version = _sha(sorted((name, member.ref.sha256) for name, member in members.items()))
        elif name == "raw_export":
            upload = next(u for u in scan(world.store.open().inbox) if u.partition == partition)
            contents = world.store.open().inbox.read(upload.object_key)
            version, facts = _sha(partition, contents), {UPLOAD_FINGERPRINT: upload.fingerprint()}
            world.contents[partition] = contents or b""
        else:
            above = [current(context.instance, dep.asset_key, partition, context.run.run_id) for dep in spec.deps]
            version = _sha(name, [found.ref.sha256 for found in above if found is not None])
            if name == "training_plan":
                small = SMALL in world.contents.get(partition, b"")
                facts = {PLAN_HASH: plan_hash(version), NEEDS_APPROVAL: not small}
            if name == "lora_adapter" and above[0] is not None:
                facts = {PLAN_HASH: plan_hash(above[0].ref.sha256)}
        return dg.MaterializeResult(
            metadata={"path": "nowhere", "sha256": version, **facts}, data_version=dg.DataVersion(version)
        )

    return station


def _checks(world: World, real: dg.AssetChecksDefinition) -> dg.AssetChecksDefinition:
    # Every gate costs each tick; of many that are alike, a few say the same.
    specs = [spec for spec in real.check_specs if spec.blocking and spec.key in KEPT]

    @dg.multi_asset_check(name=real.op.name, specs=specs, can_subset=True)
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        partition = context.partition_key if context.has_partition_key else None
        data = current(context.instance, specs[0].asset_key, partition, context.run.run_id)
        assert data is not None
        bad = REJECTED in world.contents.get(partition, b"") and partition not in world.waived
        for spec in specs:
            yield dg.AssetCheckResult(
                asset_key=spec.asset_key,
                check_name=spec.name,
                passed=not (bad and spec.name == GATE.id),
                severity=dg.AssetCheckSeverity.ERROR if spec.blocking else dg.AssetCheckSeverity.WARN,
                metadata={"data_version": data.ref.sha256},
            )

    return checks


Step = tuple[str, Callable[[World], None]]


def _catching_up(world: World) -> None:
    world.put("whales", b"1")
    world.put("storks", b"1")
    world.now += datetime.timedelta(hours=30)
    world.days(1)


def _month(world: World) -> Iterator[Step]:
    """What happens, in order; each is followed by the ticks in which its consequences show."""
    yield "Nothing there yet, two nights", lambda w: w.days(2)
    yield "`bats` is uploaded; its masks mean nothing", lambda w: (w.put("bats", REJECTED), w.days(2))
    yield "`cats` is uploaded, by day", lambda w: (w.put("cats", b"1"), w.days(1))
    yield "A night without news", lambda w: w.days(1)
    yield (
        "The plans of `cats` and of the corpus are approved",
        lambda w: (w.approve("cats"), w.approve(None), w.days(1)),
    )
    yield "`cats` is uploaded again, the same bytes", lambda w: (w.put("cats", b"1"), w.days(1))
    yield "`cats` is uploaded again, corrected", lambda w: (w.put("cats", b"2"), w.days(2))
    yield "The new plan of `cats` is approved", lambda w: (w.approve("cats"), w.days(1))
    yield "`ants` is uploaded; its plan needs no approval", lambda w: (w.put("ants", SMALL), w.days(2))
    yield "The finding in `bats` is waived, its check executed again", lambda w: (w.waive("bats"), w.days(2))
    yield "Everything is down for 30 hours; `whales` and `storks` are uploaded", _catching_up
    yield "The next night", lambda w: w.days(1)
    yield "`cats` goes back to its first version", lambda w: (w.put("cats", b"1"), w.days(2))
    yield "The plan of the corpus is approved", lambda w: (w.approve(None), w.days(1))
    yield "Five days without news", lambda w: w.days(5)


@dataclass(frozen=True)
class Row:
    """A thing that happened, on which day, and the runs that followed."""

    day: int
    what: str
    launches: tuple[Launch, ...]


def replay(folder: Path) -> list[Row]:
    """The month on an instance of its own."""
    rows = []
    with dg.DagsterInstance.ephemeral() as instance, pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "SETTLE_S", -10.0)
        patch.setattr(training_sensor, "WITHIN_A_COMMAND_S", -1.0)
        world = World(folder, instance)
        for what, happen in _month(world):
            day, before = world.day, len(world.launches)
            happen(world)
            rows.append(Row(day, what, tuple(world.launches[before:])))
    return rows


def table_rows(rows: Sequence[Row]) -> list[list[str]]:
    """For the page: one line a run, and one for everything that started nothing."""
    lines = []
    for row in rows:
        if not row.launches:
            lines.append([str(row.day), row.what, "", "", "nothing"])
        for number, launch in enumerate(row.launches):
            made = " → ".join(launch.assets)
            lines.append(
                [
                    str(row.day) if number == 0 else "",
                    row.what if number == 0 else "",
                    f"day {launch.day}, `{launch.by}`",
                    f"`{launch.target}`",
                    made if launch.success else f"{made}; stopped by a gate",
                ]
            )
    return lines
