"""The run launcher: every run in a container of its own, and what that container may reach.

``docker/dagster.yaml`` names ``PoolRunLauncher``. Its parts:

- ``containers``: what a container gets, by the pools its run uses. Pure.
- ``cards``: what ``nvidia-smi`` says about the graphics cards. Pure parsing, and the reading where the cards are.
- ``admission``: which card a run gets, or why it waits. Pure.
- ``memory_need``: how much card memory a run needs, from its training plan.
- ``docker_launcher``: the launcher itself.
- ``upkeep``: lets waiting runs go when a card is free, tells the containers of cancelled runs, and removes finished
  ones; a service of its own, ``python -m sam2_assets.launcher``.
"""

from sam2_assets.launcher.docker_launcher import PoolRunLauncher

__all__ = ["PoolRunLauncher"]
