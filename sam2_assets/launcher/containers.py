"""What a run's container gets: hardening for all, the GPU or the image builder by pool, never both."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sam2_assets.assets.line import GPU_POOL, IMAGE_POOL
from sam2_assets.errors import LaunchError

STOP_TIMEOUT_S: Final = 240
"""Seconds between SIGTERM and SIGKILL: more than ``assets.child_process.GRACE_S``, in which the child saves its
checkpoint, and the bringing up of that checkpoint to the store."""

HARDENED: Final[Mapping[str, Any]] = {
    "user": "10001:10001",
    "security_opt": ["no-new-privileges:true"],
    "cap_drop": ["ALL"],
    "privileged": False,
    "read_only": True,
    # What a run writes outside the store's cache: scratch folders, captured output. nosuid and nodev, but programs may
    # be mapped from it: torch and numba compile.
    "tmpfs": {"/tmp": "rw,nosuid,nodev,exec,mode=1777,size=8g"},
    "init": True,
    "pids_limit": 2048,
    "mem_limit": "16g",
    "stop_timeout": STOP_TIMEOUT_S,
}
"""Arguments of ``docker.containers.create`` for every run, unless ``container_kwargs`` says otherwise."""

_ADDED: Final = ("volumes", "group_add", "device_requests", "devices", "cap_add", "mounts")
"""Lists that grow when layers meet. All others are replaced."""

_SOCKET: Final = "docker.sock"


def layered(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Container arguments merged, later layers first in rank: lists of ``_ADDED`` are joined, the rest is replaced.

    Dagster's own merge is shallow: a second layer with ``volumes`` would drop those of the first.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            if name in _ADDED and name in merged:
                merged[name] = [*_as_list(merged[name]), *_as_list(value)]
            else:
                merged[name] = value
    return merged


def _as_list(value: Any) -> list[Any]:
    """Docker's Python library takes volumes as a mapping too."""
    if isinstance(value, Mapping):
        return [f"{source}:{at['bind']}:{at.get('mode', 'rw')}" for source, at in value.items()]
    return list(value)


def gpu_request(devices: Sequence[str] = ()) -> dict[str, Any]:
    """What asks the engine for cards: those named (by UUID or index), else all."""
    chosen: dict[str, Any] = {"device_ids": list(devices)} if devices else {"count": -1}
    return {"driver": "nvidia", "capabilities": [["gpu", "utility", "compute"]], **chosen}


def builds_images(pools: Collection[str]) -> bool:
    """Whether a run gets the image builder.

    A container that trains on strangers' data must not reach the engine: a run that uses both pools gets no builder,
    and its ``deploy_image`` makes a build context only. A run of ``deploy_image`` alone then builds the image.
    """
    return IMAGE_POOL in pools and GPU_POOL not in pools


def container_kwargs(
    pools: Collection[str],
    *,
    base: Mapping[str, Any],
    gpu: Mapping[str, Any] | None,
    builder: Mapping[str, Any] | None,
    devices: Sequence[str] = (),
) -> dict[str, Any]:
    """The arguments of ``docker.containers.create`` for a run.

    Args:
        pools: that its steps use.
        base: for every run, on top of ``HARDENED``.
        gpu: for runs in pool ``gpu``; None in the CPU profile, in which nobody gets a card.
        builder: for runs that build images, see ``builds_images``; None where no builder is configured.
        devices: cards of the ``gpu`` request; empty: all.

    Raises:
        LaunchError: ``builder_for_all`` when ``base`` or ``gpu`` would hand out the engine's socket, or
            ``gpu_for_all`` when ``base`` or ``builder`` would hand out a card.
    """
    for name, layer in (("container_kwargs", base), ("gpu.container_kwargs", gpu or {})):
        if _SOCKET in repr(layer):
            raise LaunchError(
                "builder_for_all",
                "it mounts the engine's socket into runs that build no image",
                file="dagster.yaml",
                field=name,
                remedy="Move it to builder.container_kwargs.",
            )
    for name, layer in (("container_kwargs", base), ("builder.container_kwargs", builder or {})):
        if layer.get("device_requests") or layer.get("runtime") == "nvidia":
            raise LaunchError(
                "gpu_for_all",
                "it gives a card to runs that do not compute on it",
                file="dagster.yaml",
                field=name,
                remedy="Move it to gpu.container_kwargs.",
            )
    layers: list[Mapping[str, Any]] = [HARDENED, base]
    if GPU_POOL in pools and gpu is not None:
        asked = {} if gpu.get("device_requests") and not devices else {"device_requests": [gpu_request(devices)]}
        layers += [{name: value for name, value in gpu.items() if name != "device_requests" or not asked}, asked]
    if builds_images(pools) and builder is not None:
        layers.append(builder)
    return layered(*layers)
