"""``PoolRunLauncher``: Dagster's Docker launcher, with a profile per pool, admission to cards, and clear refusals.

In ``dagster.yaml``::

    run_launcher:
      module: sam2_assets.launcher
      class: PoolRunLauncher
      config:
        image: sam2-assets:local
        networks: [runs]
        profile: gpu            # cpu: nobody gets a card
        gpu:
          admission: true       # a run waits in the queue until a card has the memory it needs
          probe: container      # where nvidia-smi runs; host: in the daemon's own process
        builder: {}             # runs in pool `image` alone reach the engine; leave it out and nobody does
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import dagster as dg
import docker
from dagster import Array, Enum, EnumValue, Field, StringSource
from dagster._core.events import DagsterEvent, EngineEventData
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES, RunRecord
from dagster._core.storage.tags import MAX_RETRIES_TAG
from dagster._serdes import ConfigurableClassData
from dagster._time import get_current_timestamp
from dagster_docker import DockerRunLauncher
from dagster_docker.container_context import DockerContainerContext
from dagster_docker.utils import DOCKER_CONFIG_SCHEMA
from docker.errors import DockerException, NotFound

from sam2_assets.assets.line import GPU_POOL
from sam2_assets.errors import LaunchError
from sam2_assets.launcher.admission import Admission, Booking, Fits, Waits, admit
from sam2_assets.launcher.cards import QUERY, Card, failed, parse_cards, read_here
from sam2_assets.launcher.containers import builds_images, container_kwargs, gpu_request, layered
from sam2_assets.launcher.endings import Ending
from sam2_assets.launcher.memory_need import needed_mib

RUN_LABEL = "dagster/run_id"
DEPLOYMENT_LABEL = "sam2_assets/deployment"
POOLS_LABEL = "sam2_assets/pools"
CARD_TAG = "sam2_assets/gpu"
"""Run tag: the UUID of the card it was given."""
BOOKED_TAG = "sam2_assets/gpu_booked_mib"
GATE_TAG = "sam2_assets/gpu_gate"
"""Run tag that holds a run in the queue: ``dagster.yaml`` limits runs with the value ``waits`` to none."""
WAITS, OPEN = "waits", "open"
REASON_TAG = "sam2_assets/waits_for"
STOP_TAG = "sam2_assets/told_to_stop"
"""Run tag: the id of the run whose container was told to stop. A re-execution inherits the tag, but not the id."""
_SOCKET = "/var/run/docker.sock"
_LAST_WORDS = 4000


def pools_of(run: dg.DagsterRun) -> frozenset[str]:
    """The pools that a run's steps use, however it was started.

    Dagster computes them when it creates the run, for the queue. The attribute is not documented: a test holds it.
    """
    return frozenset((run.run_op_concurrency.all_pools if run.run_op_concurrency else None) or ())


class PoolRunLauncher(DockerRunLauncher):
    """Launches each run in a hardened container of its own.

    Args:
        deployment: label of its containers, so that two deployments can share an engine.
        profile: ``gpu``, or ``cpu``: then runs in pool ``gpu`` compute on the processor.
        gpu: ``container_kwargs`` and ``networks`` added for runs in pool ``gpu``; ``admission``; ``probe``.
        builder: ``container_kwargs``, ``volumes``, ``networks`` and ``env_vars`` added for runs that build images; the
            engine's ``socket`` on the host.
        volumes: of every run, ``source:target:mode``; beside those of ``container_kwargs``, which cannot come from
            the environment.
        settings: those of ``DockerRunLauncher``.
    """

    def __init__(
        self,
        inst_data: ConfigurableClassData | None = None,
        deployment: str = "sam2-assets",
        profile: str = "cpu",
        gpu: Mapping[str, Any] | None = None,
        builder: Mapping[str, Any] | None = None,
        volumes: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        if profile not in ("cpu", "gpu"):
            raise LaunchError(
                "unknown_profile",
                "the launcher has no such profile",
                file="dagster.yaml",
                field="run_launcher.config.profile",
                value=profile,
                remedy="Choose cpu or gpu.",
            )
        self.deployment = deployment
        self.profile = profile
        self.gpu = dict(gpu or {})
        self.builder = None if builder is None else dict(builder)
        self.volumes = list(volumes)
        super().__init__(inst_data, **settings)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """The schema of ``run_launcher.config``."""
        layer = {
            "container_kwargs": Field(dict, is_required=False),
            "networks": Field(Array(StringSource), is_required=False),
        }
        return {
            **DOCKER_CONFIG_SCHEMA,
            "deployment": Field(StringSource, is_required=False, default_value="sam2-assets"),
            "profile": Field(StringSource, is_required=False, default_value="cpu"),
            "volumes": Field(Array(StringSource), is_required=False),
            "gpu": Field(
                {
                    **layer,
                    "admission": Field(bool, is_required=False),
                    "probe": Field(Enum("Probe", [EnumValue("container"), EnumValue("host")]), is_required=False),
                },
                is_required=False,
            ),
            "builder": Field(
                {
                    **layer,
                    "env_vars": Field([str], is_required=False),
                    "volumes": Field(Array(StringSource), is_required=False),
                    "socket": Field(StringSource, is_required=False, default_value=_SOCKET),
                },
                is_required=False,
            ),
        }

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """From ``dagster.yaml``."""
        return cls(inst_data=inst_data, **config_value)

    # What a run's container gets

    def get_container_context(self, dagster_run: dg.DagsterRun) -> DockerContainerContext:
        """Dagster's own, with the layers of the run's pools.

        Raises:
            LaunchError: see ``containers.container_kwargs``.
        """
        pools = pools_of(dagster_run)
        base = super().get_container_context(dagster_run)
        card = dagster_run.tags.get(CARD_TAG)
        kwargs = container_kwargs(
            pools,
            base=layered(base.container_kwargs, {"volumes": self.volumes}),
            gpu=self.gpu.get("container_kwargs") or {} if self.profile == "gpu" else None,
            builder=self._builder_kwargs(),
            devices=[card] if card else (),
        )
        given = kwargs.get("labels") or {}
        labels = dict.fromkeys(given, "") if isinstance(given, list) else dict(given)
        kwargs["labels"] = {**labels, DEPLOYMENT_LABEL: self.deployment, POOLS_LABEL: ",".join(sorted(pools))}
        networks, env_vars = list(base.networks), list(base.env_vars)
        if GPU_POOL in pools and self.profile == "gpu":
            networks += self.gpu.get("networks") or []
        if builds_images(pools) and self.builder is not None:
            networks += self.builder.get("networks") or []
            env_vars += self.builder.get("env_vars") or []
        return DockerContainerContext(
            registry=base.registry, env_vars=env_vars, networks=networks, container_kwargs=kwargs
        )

    def _builder_kwargs(self) -> Mapping[str, Any] | None:
        if self.builder is None:
            return None
        given = dict(self.builder.get("container_kwargs") or {})
        # The socket as this process sees it has the same owner as on the host.
        group = [Path(_SOCKET).stat().st_gid] if Path(_SOCKET).exists() else []
        socket = f"{self.builder.get('socket', _SOCKET)}:{_SOCKET}"
        given["volumes"] = [*given.get("volumes", ()), *(self.builder.get("volumes") or ()), socket]
        given["group_add"] = [*given.get("group_add", ()), *group]
        return given

    # Launching

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the run's container, or let the run wait for a card, or fail it with the reason. Never half of it."""
        run = context.dagster_run
        try:
            if self.admits and GPU_POOL in pools_of(run) and not self._admit(run):
                return
            # With the tags that the admission has just set.
            launched = self._instance.get_run_by_id(run.run_id) or run
            super().launch_run(LaunchRunContext(launched, context.workspace))
        except (LaunchError, DockerException) as error:
            self._refuse(run, error)

    @property
    def admits(self) -> bool:
        """Whether runs in pool ``gpu`` wait for a card with enough memory."""
        return self.profile == "gpu" and bool(self.gpu.get("admission", True))

    def _admit(self, run: dg.DagsterRun) -> bool:
        """Give the run a card; or put it back into the queue, where its tag holds it.

        Raises:
            LaunchError: ``no_card_is_large_enough`` and what reading the cards raises.
        """
        decision = self.decide(run, self.read_cards(), self.bookings())
        if isinstance(decision, Fits):
            need = needed_mib(self._instance, run) or 0
            tags = {CARD_TAG: decision.card.uuid, BOOKED_TAG: str(need), GATE_TAG: OPEN, REASON_TAG: ""}
            self._instance.add_run_tags(run.run_id, tags)
            self._say(run, f"Given {decision.reason}")
            return True
        if isinstance(decision, Waits):
            self._instance.add_run_tags(run.run_id, {GATE_TAG: WAITS, REASON_TAG: decision.reason})
            self._say(run, f"Waits in the queue for a graphics card: {decision.reason}")
            self._instance.report_dagster_event(DagsterEvent.job_enqueue(run), run_id=run.run_id)
            return False
        raise LaunchError(
            "no_card_is_large_enough",
            decision.reason,
            field="training_plan.memory_gib",
            remedy="Lower training.batch_size or choose a smaller base model; a wrong estimate is overridden by the "
            "run tag sam2_assets/gpu_memory_gib.",
        )

    def decide(self, run: dg.DagsterRun, cards: Sequence[Card], bookings: Sequence[Booking]) -> Admission:
        """See ``admission.admit``."""
        return admit(needed_mib(self._instance, run), cards, bookings)

    def bookings(self) -> list[Booking]:
        """Our runs that hold a card."""
        filters = dg.RunsFilter(statuses=[*IN_PROGRESS_RUN_STATUSES, dg.DagsterRunStatus.CANCELING])
        records = self._instance.get_run_records(filters)
        return [booked for record in records if (booked := booking(record)) is not None]

    def read_cards(self) -> list[Card]:
        """The cards of the engine's host, see ``cards``; ``gpu.probe`` says whether here or in a container.

        Raises:
            DockerException: when the engine refuses, in its words.
            LaunchError: ``unreadable_cards``, ``nvidia_smi_failed``.
        """
        return parse_cards(read_here() if self.gpu.get("probe") == "host" else self._read_in_container())

    def _read_in_container(self) -> str:
        """``nvidia-smi`` in a container that sees all cards, for a second: the daemon need not see any."""
        container = self.engine().containers.create(
            self.image,
            list(QUERY),
            device_requests=[gpu_request()],
            network_mode="none",
            read_only=True,
            user="10001:10001",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            labels={DEPLOYMENT_LABEL: self.deployment},
        )
        try:
            container.start()
            code = container.wait(timeout=60)["StatusCode"]
            text = str(container.logs(stdout=True, stderr=False).decode("utf-8", "replace"))
            if code != 0:
                raise failed(code, text)
        finally:
            container.remove(force=True)
        return text

    def engine(self) -> Any:
        """The engine that runs the containers."""
        return docker.from_env()

    def containers_of(self, run_id: str | None = None) -> list[Any]:
        """This deployment's containers, or those of one run, whether they run or not."""
        labels = [f"{DEPLOYMENT_LABEL}={self.deployment}", RUN_LABEL if run_id is None else f"{RUN_LABEL}={run_id}"]
        return list(self.engine().containers.list(all=True, filters={"label": labels}, ignore_removed=True))

    # Ending

    def terminate(self, run_id: str) -> bool:
        """Cancel a run: SIGTERM to its container, in which a training saves its checkpoint.

        The web server, where people click *Terminate*, must not reach the engine: then the run is marked, and the
        upkeep service tells the container (``tell_cancelled``).
        """
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        if self._reaches_engine():
            self._instance.add_run_tags(run_id, {STOP_TAG: run_id})
            ended: bool = super().terminate(run_id)  # type: ignore[no-untyped-call]
            return ended
        self._instance.report_run_canceling(run)
        self._say(run, "The upkeep service stops the run's container within 15 seconds")
        return True

    def _reaches_engine(self) -> bool:
        try:
            return bool(self.engine().ping())
        except DockerException:
            return False

    def tell_to_stop(self, run: dg.DagsterRun) -> bool:
        """SIGTERM to the running container of a run that is being cancelled, once; whether there was one to tell."""
        if run.tags.get(STOP_TAG) == run.run_id:
            return False
        running = [container for container in self.containers_of(run.run_id) if container.status == "running"]
        for container in running:
            container.kill(signal="SIGTERM")
        if running:
            self._instance.add_run_tags(run.run_id, {STOP_TAG: run.run_id})
        return bool(running)

    def _refuse(self, run: dg.DagsterRun, error: Exception) -> None:
        """Fail the run with the reason, keep it from being retried, and leave no container."""
        words = str(getattr(error, "explanation", None) or error)
        asked: dict[str, Any] = {}
        try:
            for container in self.containers_of(run.run_id):
                container.reload()
                asked["device_requests"] = json.dumps(container.attrs["HostConfig"].get("DeviceRequests"))
                container.remove(force=True, v=True)
        except NotFound:
            pass  # somebody else removed it
        except DockerException as later:
            words = f"{words}; and its container could not be removed: {later}"
        self._instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: "0"})
        refused = "" if isinstance(error, LaunchError) else "The container engine refused: "
        self._say(run, f"{refused}{words}", {"error": type(error).__name__, **asked})
        self._instance.report_run_failed(run, f"{refused}{words}")

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """As Dagster's, but says in words how a dead container ended."""
        result: CheckRunHealthResult = super().check_run_worker_health(run)
        if result.status is not WorkerStatus.FAILED:
            return result
        ended = self.containers_of(run.run_id)
        if not ended:
            return result
        return CheckRunHealthResult(WorkerStatus.FAILED, msg=Ending.of(ended[0].attrs).sentence())

    def bury(self, container: Any, run: dg.DagsterRun | None) -> None:
        """Remove the container of a finished run, once what it can tell about a bad end is in the run's log."""
        ending = Ending.of(container.attrs)
        if run is not None and not ending.clean:
            last = container.logs(tail=40).decode("utf-8", "replace")[-_LAST_WORDS:]
            facts = {"exit_code": ending.exit_code, "oom_killed": ending.oom_killed, "last_output": last}
            self._say(run, f"Container {container.short_id}: {ending.sentence()}", facts)
        container.remove(force=True, v=True)

    def _say(self, run: dg.DagsterRun, message: str, facts: Mapping[str, Any] | None = None) -> None:
        data = EngineEventData(metadata=_metadata(facts or {}))
        self._instance.report_engine_event(message, run, data, cls=self.__class__)


def _metadata(facts: Mapping[str, Any]) -> dict[str, dg.MetadataValue]:
    typed: dict[str, dg.MetadataValue] = {}
    for name, value in facts.items():
        if isinstance(value, bool):
            typed[name] = dg.MetadataValue.bool(value)
        elif isinstance(value, int):
            typed[name] = dg.MetadataValue.int(value)
        else:
            typed[name] = dg.MetadataValue.text(str(value))
    return typed


def booking(record: RunRecord, now: float | None = None) -> Booking | None:
    """What an active run holds of a card; None if it holds none."""
    tags = record.dagster_run.tags
    if CARD_TAG not in tags or not tags.get(BOOKED_TAG, "").isdigit():
        return None
    # A run that waited long was created long ago; what counts is when it got the card.
    since = record.start_time or record.update_timestamp.timestamp()
    return Booking(tags[CARD_TAG], int(tags[BOOKED_TAG]), (now or get_current_timestamp()) - since)
