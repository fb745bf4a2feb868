"""What each target has been told already, so that nobody is told twice, whoever was killed in between.

A target's mark is written before a message goes out and again when its fate is known. A mark that is found open was
left by a process that died between the two: its message may have arrived, so it is not repeated, and the next says so.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Mark(BaseModel):
    """How far one target has been told.

    Args:
        after: storage id of the last run event it was told of, or that it need not be told of.
        sending: the id up to which a message is on its way.
        sending_events: how many events that message tells of.
        doubtful: events of a message whose fate nobody knows.
        tried_at: when something was last sent or tried, in seconds since the epoch.
        failure: why the last attempt failed.
    """

    model_config = ConfigDict(frozen=True)

    after: int
    sending: int | None = None
    sending_events: int = 0
    doubtful: int = 0
    tried_at: float | None = None
    failure: str | None = None

    def found(self) -> Mark:
        """As the next tick finds it: an open message counts as sent, and as doubtful."""
        if self.sending is None:
            return self
        return Mark(after=self.sending, doubtful=self.doubtful + self.sending_events, tried_at=self.tried_at)

    def due(self, now: float, every_s: float) -> bool:
        """Whether a message may go out; a failed attempt waits as long as a sent message."""
        return self.tried_at is None or now - self.tried_at >= every_s

    def opened(self, upto: int, events: int, now: float) -> Mark:
        """A message about the events up to ``upto`` is about to be sent."""
        return self.model_copy(update={"sending": upto, "sending_events": events, "tried_at": now})

    def sent(self) -> Mark:
        """The message was accepted."""
        if self.sending is None:
            raise RuntimeError("nothing was being sent")
        return Mark(after=self.sending, tried_at=self.tried_at)

    def refused(self, reason: str) -> Mark:
        """The message was not accepted: its events are told of again."""
        return self.model_copy(update={"sending": None, "sending_events": 0, "failure": reason})

    def passed(self, upto: int) -> Mark:
        """There is nothing to tell up to this id."""
        return self.model_copy(update={"after": upto})
