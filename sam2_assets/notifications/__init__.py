"""Telling people what happened: events, the message made of them, who gets it, and what each has been told already."""

from sam2_assets.notifications.events import Event, Kind
from sam2_assets.notifications.message import Message, compose
from sam2_assets.notifications.settings import NotificationSettings
from sam2_assets.notifications.targets import Target, configured_targets, deliver

__all__ = ["Event", "Kind", "Message", "NotificationSettings", "Target", "compose", "configured_targets", "deliver"]
