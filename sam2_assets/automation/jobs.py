"""The jobs: what a sensor or a person starts as one run."""

from __future__ import annotations

import dagster as dg

from sam2_assets.assets.line import IMAGE_REQUESTED, IMAGE_TAG
from sam2_assets.assets.scope import CORPUS, VIDEO

TO_PLAN = ("raw_export", "instruction_dataset", "quality_report", "splits", "training_plan")
TO_SPLITS = TO_PLAN[:-1]
FROM_PLAN = ("lora_adapter", "evaluation", "model_card", "deploy_image")

# One process for the light steps of an import: a process a step would cost ten times as long as the work.
ingest = dg.define_asset_job(
    "ingest",
    selection=dg.AssetSelection.assets(*(VIDEO.key(name) for name in TO_PLAN)),
    description="One export to an approvable training plan.",
    executor_def=dg.in_process_executor,
)
ingest_to_splits = dg.define_asset_job(
    "ingest_to_splits",
    selection=dg.AssetSelection.assets(*(VIDEO.key(name) for name in TO_SPLITS)),
    description="One export to its splits: what a video of the corpus needs.",
    executor_def=dg.in_process_executor,
)
train_video = dg.define_asset_job(
    "train_video",
    selection=dg.AssetSelection.assets(*(VIDEO.key(name) for name in FROM_PLAN)),
    description="An approved plan of one video to a served adapter.",
)
plan_corpus = dg.define_asset_job(
    "plan_corpus",
    selection=dg.AssetSelection.assets(CORPUS.key("splits"), CORPUS.key("training_plan")),
    description="All videos whose gates passed to an approvable training plan.",
    executor_def=dg.in_process_executor,
)
train_corpus = dg.define_asset_job(
    "train_corpus",
    selection=dg.AssetSelection.assets(*(CORPUS.key(name) for name in FROM_PLAN)),
    description="An approved plan of the corpus to a served adapter.",
)
image_video = dg.define_asset_job(
    "image_video",
    selection=dg.AssetSelection.assets(VIDEO.key("deploy_image")),
    # A tag, not run config: programs that launch it give a run config of their own, and that replaces a job's.
    tags={IMAGE_TAG: IMAGE_REQUESTED},
    description="The image of one export's adapter, which is built on request only.",
)
image_corpus = dg.define_asset_job(
    "image_corpus",
    selection=dg.AssetSelection.assets(CORPUS.key("deploy_image")),
    tags={IMAGE_TAG: IMAGE_REQUESTED},
    description="The image of the corpus' adapter, where the run that trained it could not build one.",
)
JOBS = [ingest, ingest_to_splits, train_video, plan_corpus, train_corpus, image_video, image_corpus]
