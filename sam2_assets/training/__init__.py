"""Fine-tuning with LoRA: configuration, model families, plan, loop, checkpoints.

Importing this package loads neither torch nor transformers; ``python -m sam2_assets.training JOB.json`` is the child
process that does.
"""
