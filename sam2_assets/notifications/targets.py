"""Who is told: Apprise addresses from environment variables, and the sending, which never says an address aloud."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from sam2_assets.errors import NotificationError
from sam2_assets.notifications.message import Message

_LOGGER = logging.getLogger("apprise")
_HIDDEN = "***"
_SHORTEST_SECRET = 3


@dataclass(frozen=True)
class Target:
    """One address, and what to call it: its variable, its number there, and what kind of address it is."""

    name: str
    address: str = field(repr=False)


def configured_targets(variables: Sequence[str], environment: Mapping[str, str]) -> list[Target]:
    """The addresses that the named variables hold, in their order; a variable that is not set holds none."""
    found = []
    for variable in variables:
        for number, address in enumerate(environment.get(variable, "").split(), 1):
            scheme = address.partition("://")[0] if "://" in address else "no scheme"
            found.append(Target(f"{variable}[{number}] ({scheme})", address))
    return found


def deliver(target: Target, message: Message) -> None:
    """Send one message to one target.

    Raises:
        NotificationError: ``not_an_address`` or ``not_delivered``; neither says the address.
    """
    import apprise

    asset = apprise.AppriseAsset(app_id="sam2_assets", app_desc="sam2_assets", secure_logging=True)
    with _reasons() as reasons:
        service = apprise.Apprise.instantiate(target.address, asset=asset)
        if service is None:
            raise NotificationError(
                "not_an_address",
                f"Apprise cannot read it{_because(reasons, target)}",
                field=target.name,
                remedy="Correct the environment variable; docs/notifications.md has examples.",
            )
        sent = service.notify(title=message.title, body=message.body, body_format=apprise.NotifyFormat.TEXT)
    if not sent:
        raise NotificationError(
            "not_delivered",
            f"the message was not accepted{_because(reasons, target)}",
            field=target.name,
            remedy="It is sent again with what happens meanwhile; `sam2-assets notify` tries the address at once.",
        )


@contextmanager
def _reasons() -> Iterator[list[str]]:
    """What Apprise says about a failure; otherwise it keeps the reason to its debug log, with the address in it."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            if record.levelno >= logging.WARNING or "Exception" in text:
                said.append(" ".join(text.split()))

    listener, level, propagate = Listener(), _LOGGER.level, _LOGGER.propagate
    _LOGGER.addHandler(listener)
    _LOGGER.setLevel(logging.DEBUG)
    _LOGGER.propagate = False
    try:
        yield said
    finally:
        _LOGGER.removeHandler(listener)
        _LOGGER.setLevel(level)
        _LOGGER.propagate = propagate


def _because(reasons: Sequence[str], target: Target) -> str:
    text = redacted(" ".join(reasons), target.address)
    return f": {text[:400]}" if text else ""


def redacted(text: str, address: str) -> str:
    """``text`` without the parts of an address that may be secret: user, password, path, query, fragment."""
    parts = urlsplit(address)
    user, _, _ = parts.netloc.rpartition("@")
    pieces = {address, *re.split(r"[:/?&=#,]", f"{user}/{parts.path}/{parts.query}/{parts.fragment}")}
    if not parts.netloc or "." not in parts.netloc:
        # Of many services the first part is no host but a token: slack://TOKEN/..., tgram://BOT/...
        pieces.add(parts.netloc)
    pieces |= {unquote(piece) for piece in pieces}
    for piece in sorted(pieces, key=len, reverse=True):
        if len(piece) >= _SHORTEST_SECRET:
            text = text.replace(piece, _HIDDEN)
    return text
