"""The partitions: one per uploaded export, added when it is first seen and never deleted (gates reject, see DESIGN)."""

import dagster as dg

videos = dg.DynamicPartitionsDefinition(name="videos")
