"""Approvals of training plans: who said yes to which plan, and when."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from sam2_assets.store import write_atomically


class Approval(BaseModel):
    """One person's yes to exactly one plan."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plan_hash: str = Field(min_length=64, max_length=64)
    approved_by: str = Field(min_length=1)
    approved_at: datetime.datetime


def _file(root: Path, plan_hash: str) -> Path:
    return root / "approvals" / f"{plan_hash}.json"


def approve(root: Path, plan_hash: str, approved_by: str) -> Approval:
    """Record an approval in the store; the first one of a plan stays."""
    existing = approval_of(root, plan_hash)
    if existing is not None:
        return existing
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    approval = Approval(plan_hash=plan_hash, approved_by=approved_by, approved_at=now)
    write_atomically(_file(root, plan_hash), approval.model_dump_json(indent=1).encode())
    return approval


def approval_of(root: Path, plan_hash: str) -> Approval | None:
    """The approval of a plan, if there is one."""
    path = _file(root, plan_hash)
    if not path.exists():
        return None
    return Approval.model_validate(json.loads(path.read_text(encoding="utf-8")))
