"""``sam2-assets notify``: are the targets of notifications reachable?"""

from __future__ import annotations

import os

from sam2_assets.cli.instance import open_platform
from sam2_assets.errors import NotificationError
from sam2_assets.notifications import Message, configured_targets, deliver


def try_targets() -> None:
    """Send a test message to each configured target, saying which accepted it.

    Raises:
        NotificationError: ``no_target``, or the first target's problem after all were tried.
    """
    with open_platform() as platform:
        settings = platform.store.project_settings().notifications
    targets = configured_targets(settings.variables, os.environ)
    if not targets:
        raise NotificationError(
            "no_target",
            "no environment variable with an address is set",
            field="notifications.variables",
            value=settings.variables,
            remedy="Set one here and for the code server; docs/notifications.md has examples.",
        )
    text = f"A test. Runs are told of with links into {settings.ui_url}."
    problems = []
    for target in targets:
        try:
            deliver(target, Message("[sam2_assets] a test message", text))
            print(f"{target.name}: accepted", flush=True)
        except NotificationError as error:
            problems.append(error)
    if problems:
        raise problems[0]
