"""Approvals of training plans: who said yes to which plan, and when."""

from __future__ import annotations

import datetime

from pydantic import BaseModel, ConfigDict, Field

from sam2_assets.storage import Storage


class Approval(BaseModel):
    """One person's yes to exactly one plan."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plan_hash: str = Field(min_length=64, max_length=64)
    approved_by: str = Field(min_length=1)
    approved_at: datetime.datetime


def _name(plan_hash: str) -> str:
    return f"approvals/{plan_hash}.json"


def approve(files: Storage, plan_hash: str, approved_by: str) -> Approval:
    """Record an approval in the store; the first one of a plan stays."""
    existing = approval_of(files, plan_hash)
    if existing is not None:
        return existing
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    approval = Approval(plan_hash=plan_hash, approved_by=approved_by, approved_at=now)
    files.write(_name(plan_hash), approval.model_dump_json(indent=1).encode())
    return approval


def approval_of(files: Storage, plan_hash: str) -> Approval | None:
    """The approval of a plan, if there is one."""
    text = files.read(_name(plan_hash))
    return None if text is None else Approval.model_validate_json(text)
