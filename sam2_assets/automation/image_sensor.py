"""The corpus' image where training runs must not reach the Docker Engine: a run of its own, started by a sensor.

A run in a container gets the GPU or the image builder, never both. So a run that trains publishes the build context
only, and this sensor asks for the image afterwards. Where runs are local processes, the run that trains builds it.
"""

from __future__ import annotations

import dagster as dg

from sam2_assets.assets.scope import CORPUS
from sam2_assets.automation.jobs import image_corpus


@dg.asset_sensor(
    asset_key=CORPUS.key("deploy_image"),
    name="corpus_image",
    job=image_corpus,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Builds the corpus' image after a training run that could not.",
)
def corpus_image_sensor(
    context: dg.SensorEvaluationContext, asset_event: dg.EventLogEntry
) -> dg.RunRequest | dg.SkipReason:
    """One run for each build context; the same context is not asked for twice, whatever became of it."""
    made = asset_event.asset_materialization
    if made is None or made.metadata["image"].value == "built":
        return dg.SkipReason("the image is built")
    # Only the Docker launcher has one, and only where dagster.yaml configures it.
    if getattr(context.instance.run_launcher, "builder", None) is None:
        return dg.SkipReason("no run reaches a Docker Engine that this one did not")
    return dg.RunRequest(run_key=str(made.metadata["sha256"].value))
