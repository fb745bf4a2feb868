"""How a container ended, in one sentence, from what the engine recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ending:
    """The end of a container.

    Args:
        status: the engine's word: ``created``, ``running``, ``exited``, ``dead``, ...
        exit_code: of its first process.
        oom_killed: whether the kernel killed one of its processes for want of memory.
        error: the engine's own words, if it could not start the container.
        memory_limit: bytes; 0 for none.
    """

    status: str
    exit_code: int
    oom_killed: bool
    error: str
    memory_limit: int

    @classmethod
    def of(cls, inspected: Mapping[str, Any]) -> Ending:
        """From what ``docker inspect`` says."""
        state = inspected.get("State") or {}
        return cls(
            status=str(state.get("Status", "")),
            exit_code=int(state.get("ExitCode") or 0),
            oom_killed=bool(state.get("OOMKilled")),
            error=str(state.get("Error") or ""),
            memory_limit=int((inspected.get("HostConfig") or {}).get("Memory") or 0),
        )

    @property
    def clean(self) -> bool:
        """Nothing to keep about it."""
        return self.exit_code == 0 and not self.oom_killed and not self.error

    def sentence(self) -> str:
        """What happened, and what to do where that is known."""
        if self.error:
            return f"the engine did not start the container: {self.error}"
        if self.oom_killed:
            limit = f" (limit {self.memory_limit / 1024**3:.1f} GiB)" if self.memory_limit else ""
            return (
                f"the container ran out of memory{limit}: the kernel killed a process in it, exit code "
                f"{self.exit_code}. Raise mem_limit in dagster.yaml or lower training.batch_size, then run again"
            )
        if self.exit_code > 128:
            return f"the container's process was killed by signal {self.exit_code - 128}"
        return f"the container ended with exit code {self.exit_code}"
