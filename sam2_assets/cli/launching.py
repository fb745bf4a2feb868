"""Running a job for a person: through Dagster's queue where its daemon runs, so that pools hold; else here."""

from __future__ import annotations

import difflib

from sam2_assets.automation.jobs import JOBS
from sam2_assets.cli.activity import CORPUS_NAME
from sam2_assets.cli.instance import Outcome, Platform, Say, add_partition, daemon_is_up, follow, run_here
from sam2_assets.cli.interruption import kept
from sam2_assets.cli.targets import require_known
from sam2_assets.cli.webserver import UI_VARIABLE, find_web_server, ui_address
from sam2_assets.errors import SettingsError, StoreError

RESUMES = "what was finished is kept, and a training goes on from its last checkpoint"


def check_job(platform: Platform, job: str, partition: str | None) -> None:
    """Refuse what is no job, or not for this partition.

    Raises:
        SettingsError: ``unknown_job``, ``partition_missing`` or ``partition_not_wanted``.
        StoreError: ``unknown_partition``.
    """
    names = [each.name for each in JOBS]
    if job not in names:
        near = difflib.get_close_matches(job, names, n=1)
        raise SettingsError(
            "unknown_job",
            "there is no such job",
            field="job",
            value=job,
            remedy=f"{f'Did you mean {near[0]}? ' if near else ''}Jobs: {', '.join(names)}.",
        )
    partitioned = platform.definitions.resolve_job_def(job).partitions_def is not None
    if partitioned and partition in (None, CORPUS_NAME):
        raise SettingsError(
            "partition_missing",
            "this job is about one export",
            field="job",
            value=job,
            remedy=f"sam2-assets launch {job} PARTITION; `sam2-assets status` lists them.",
        )
    if not partitioned and partition is not None:
        raise SettingsError(
            "partition_not_wanted",
            "this job is about all exports",
            field="job",
            value=job,
            remedy=f"sam2-assets launch {job}",
        )
    if partition is not None:
        require_known(platform, partition)


def execute(platform: Platform, job: str, partition: str | None, again: str) -> Outcome:
    """Run a job to its end, saying what happens.

    Args:
        platform: the instance and store.
        job: its name.
        partition: its partition key, or None.
        again: the command that goes on after an interruption.

    Raises:
        StoreError: ``no_web_server``: a daemon runs, but there is nobody to hand the job to.
        StoppedError: Ctrl-C.
    """
    if partition is not None:
        add_partition(platform.instance, partition)
    if not daemon_is_up(platform.instance):
        with kept(f"{RESUMES}. Go on with: {again}"):
            print("No daemon is running (make ui starts one); running it here.", flush=True)
            return run_here(platform, job, partition, Say())
    server = find_web_server(platform.instance)
    if server is None:
        raise StoreError(
            "no_web_server",
            "Dagster's daemon gave a sign of life in the last minutes, but no web server of this instance answers",
            file=ui_address(),
            remedy=f"If it runs elsewhere, set {UI_VARIABLE} to its address, or launch {job} in the UI; if it was just "
            "stopped, try again in two minutes.",
        )
    run_id = server.launch(job, partition)
    with kept(f"the run goes on without this terminal: {server.address}/runs/{run_id} shows it and can end it"):
        print(f"in Dagster's queue: {server.address}/runs/{run_id}", flush=True)
        return follow(platform, run_id, Say())
