"""What a run is about: where ``sam2-assets status`` shows it."""

from __future__ import annotations

import dagster as dg
import pytest

from sam2_assets.assets.scope import CORPUS
from sam2_assets.automation.jobs import JOBS
from sam2_assets.cli.activity import CORPUS_NAME, target_of
from sam2_assets.definitions import defs


@pytest.mark.parametrize("job", [job.name for job in JOBS])
def test_a_job_of_the_corpus_is_about_the_corpus_and_any_other_about_its_partition(job: str) -> None:
    made = {key.path[0] for key in defs.resolve_job_def(job).asset_layer.selected_asset_keys}
    assert target_of(dg.DagsterRun(job_name=job)) == (CORPUS_NAME if made == set(CORPUS.prefix) else "")
    assert target_of(dg.DagsterRun(job_name=job, tags={"dagster/partition": "cats-20ae30"})) == "cats-20ae30"
