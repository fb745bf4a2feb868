"""The Docker Engine: an image from a build context, and a container that serves it for as long as it is asked.

The engine may be in another container or on another mount: nothing is bound from this machine's folders. A context
is sent as an archive, and a base model that is not in the image is copied into a volume of its own. Archives are
made while they are sent: a run's container has its temporary files in memory.
"""

from __future__ import annotations

import socket
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from sam2_assets.errors import PackagingError
from sam2_assets.packaging.serving import BASE_VARIABLE
from sam2_assets.packaging.settings import DeploymentSettings
from sam2_assets.packaging.verification import wait_until_ready

LABEL: Final = "sam2_assets/verifies"
"""On containers and volumes of a verification: the image's name. What a killed run left is found by it."""
_BASE_FOLDER: Final = "/srv/base"
_PORT: Final = "8000/tcp"
_GIB: Final = 1024**3
_LAST_LINES: Final = 12
_STOP_GRACE_S: Final = 20
_CONNECT_S: Final = 30
_PART: Final = 1024**2
# Long answers of the engine: an archive of a large model, a push.
_PATIENCE_S: Final = 1800


class Engine:
    """A Docker Engine that answers; ``version`` is its own."""

    def __init__(self) -> None:
        """Connect as the ``docker`` command would (``DOCKER_HOST``, else the local socket).

        Raises:
            PackagingError: ``no_engine``.
        """
        try:
            docker.from_env(timeout=_CONNECT_S).ping()
            self.client: Any = docker.from_env(timeout=_PATIENCE_S)
            self.version: str = self.client.version()["Version"]
        except DockerException as error:
            raise PackagingError(
                "no_engine",
                f"no Docker Engine answers: {error}",
                field="DOCKER_HOST",
                remedy="Start one and let this user reach it, or set deployment.build to never.",
            ) from error

    def build(self, context: Path, wheels: Sequence[Path], log: Callable[[str], None]) -> str:
        """Build an image and return its id; it has no tag yet.

        Args:
            context: folder that ``write_context`` wrote.
            wheels: what its requirements are installed from, without a network; none: pip asks its index.
            log: takes the engine's words, as they come.

        Raises:
            PackagingError: ``image_not_built`` with the last lines of the log.
        """
        lines: list[str] = []
        image = None
        archive = _packed([(context, ""), *((wheel, f"wheels/{wheel.name}") for wheel in wheels)])
        options: dict[str, Any] = {"network_mode": "none"} if wheels else {}
        try:
            for event in self.client.api.build(
                fileobj=archive, custom_context=True, rm=True, forcerm=True, decode=True, **options
            ):
                image = event.get("aux", {}).get("ID", image)
                text = event.get("stream") or event.get("error") or ""
                if text:
                    log(text)
                    lines += text.strip().splitlines()
                if "error" in event:
                    raise _not_built(event["error"], lines)
        except DockerException as error:
            raise _not_built(str(error), lines) from error
        if image is None:
            raise _not_built("the engine named no image", lines)
        return str(image)

    def size(self, image: str) -> int:
        """Bytes of an image with all its layers."""
        return int(self.client.images.get(image).attrs["Size"])

    def tag(self, image: str, repository: str, tags: Iterable[str]) -> list[str]:
        """Give a good image its names; an older image of that name loses only the name, and stays."""
        for tag in tags:
            self.client.images.get(image).tag(repository, tag=tag)
        return [f"{repository}:{tag}" for tag in tags]

    def discard(self, image: str) -> None:
        """Remove an image that nothing names and nothing uses."""
        try:
            found = self.client.images.get(image)
            if not found.tags:
                self.client.images.remove(image)
        except (ImageNotFound, APIError):
            # Another build has the same layers, or it is gone already.
            return

    def push(self, repository: str, tag: str, log: Callable[[str], None]) -> str:
        """Push a name to the registry that it says; returns the digest there.

        Raises:
            PackagingError: ``not_pushed`` with the registry's words.
        """
        digest = ""
        try:
            for event in self.client.images.push(repository, tag=tag, stream=True, decode=True):
                if "error" in event:
                    raise _not_pushed(f"{repository}:{tag}", event["error"])
                digest = event.get("aux", {}).get("Digest", digest)
                if "progressDetail" not in event and event.get("status"):
                    log(f"{event['status']}\n")
        except DockerException as error:
            raise _not_pushed(f"{repository}:{tag}", str(error)) from error
        return digest

    @contextmanager
    def serving(self, image: str, name: str, base_model: str, settings: DeploymentSettings) -> Iterator[str]:
        """The address of a container of the image, ready to answer; removed at the end, with its volumes.

        Unprivileged user of the image, read-only root, no capabilities, no new privileges, limits on memory and
        processes. Its port is on 127.0.0.1 only; or, where this process is itself in a container of the engine, whose
        127.0.0.1 is another, in a network that the two have for themselves.

        Args:
            image: its id.
            name: see ``LABEL``.
            base_model: folder or hub id.
            settings: whether the image holds the base model, memory, and how long it may take to start.

        Raises:
            PackagingError: ``server_failed``, ``server_too_slow``.
        """
        self._remove_leftovers(name)
        folder = Path(base_model).expanduser()
        volumes: dict[str, dict[str, str]] = {}
        environment = {}
        try:
            labels = {LABEL: name}
            if folder.is_dir() and not settings.include_base:
                volumes[self._filled_volume(image, folder, labels)] = {"bind": _BASE_FOLDER, "mode": "ro"}
                environment[BASE_VARIABLE] = _BASE_FOLDER
            elif not folder.is_dir():
                volumes[self.client.volumes.create(labels=labels).name] = {"bind": "/models", "mode": "rw"}
            # Only a hub model has to be fetched, so only then the network leads anywhere.
            network = self._network_of_two(labels, internal=folder.is_dir())
            container = self.client.containers.create(
                image,
                labels=labels,
                environment=environment,
                volumes=volumes,
                **({"ports": {_PORT: ("127.0.0.1", None)}} if network is None else {"network": network}),
                read_only=True,
                tmpfs={"/tmp": "size=256m"},
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                pids_limit=512,
                mem_limit=int(settings.container_memory_gib * _GIB),
                memswap_limit=int(settings.container_memory_gib * _GIB),
            )
            try:
                container.start()
            except APIError as error:
                raise PackagingError(
                    "server_failed",
                    f"the engine did not start the container: {error.explanation}",
                    remedy="It says why.",
                ) from error
            yield wait_until_ready(_StartedContainer(container, network), settings.start_timeout_s)
        finally:
            self._remove_leftovers(name)

    def _filled_volume(self, image: str, folder: Path, labels: dict[str, str]) -> str:
        volume = self.client.volumes.create(labels=labels)
        mount = {volume.name: {"bind": _BASE_FOLDER, "mode": "rw"}}
        # Never started: a container is the engine's only way to write into a volume.
        porter = self.client.containers.create(image, labels=labels, volumes=mount)
        porter.put_archive(_BASE_FOLDER, _packed([(folder, "")]))
        porter.remove()
        return str(volume.name)

    def _network_of_two(self, labels: dict[str, str], *, internal: bool) -> str | None:
        """A new network that this process' own container is in; None where it is in none of this engine's."""
        try:
            # Docker's default name of a host is its container's id.
            own = self.client.containers.get(socket.gethostname())
        except NotFound:
            return None
        if own.attrs["HostConfig"]["NetworkMode"] == "host":
            return None
        network = self.client.networks.create(f"sam2-assets-{own.short_id}", labels=labels, internal=internal)
        network.connect(own)
        return str(network.name)

    def _remove_leftovers(self, name: str) -> None:
        chosen = {"label": f"{LABEL}={name}"}
        for container in self.client.containers.list(all=True, filters=chosen):
            try:
                container.stop(timeout=_STOP_GRACE_S)
                container.remove(force=True)
            except NotFound:
                continue
        for network in self.client.networks.list(filters=chosen):
            network.reload()
            for member in network.attrs["Containers"]:
                network.disconnect(member, force=True)
            network.remove()
        for volume in self.client.volumes.list(filters=chosen):
            volume.remove(force=True)


@dataclass
class _StartedContainer:
    container: Any
    network: str | None

    def address(self) -> str | None:
        self.container.reload()
        found = self.container.attrs["NetworkSettings"]
        if self.network is not None:
            ip = found["Networks"][self.network]["IPAddress"]
            return f"http://{ip}:{_PORT.partition('/')[0]}" if ip else None
        bound = (found["Ports"] or {}).get(_PORT)
        return f"http://127.0.0.1:{bound[0]['HostPort']}" if bound else None

    def ended(self) -> str | None:
        self.container.reload()
        state = self.container.attrs["State"]
        if state["Running"]:
            return None
        if state["OOMKilled"]:
            return "it needed more than deployment.container_memory_gib"
        return f"it ended with exit code {state['ExitCode']}"

    def said(self) -> str:
        return str(self.container.logs(tail=20).decode(errors="replace"))


def _packed(sources: Iterable[tuple[Path, str]]) -> Iterator[bytes]:
    """A tar of folders and files whose headers depend on names, kinds and sizes only: equal files, equal layers."""
    for source, name in sources:
        paths = sorted(source.rglob("*")) if source.is_dir() else [source]
        for path in paths:
            inside = PurePosixPath(name) / path.relative_to(source) if source.is_dir() else PurePosixPath(name)
            entry = tarfile.TarInfo(str(inside))
            if path.is_dir():
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                yield entry.tobuf(tarfile.GNU_FORMAT)
                continue
            entry.mode, entry.size = 0o644, path.stat().st_size
            yield entry.tobuf(tarfile.GNU_FORMAT)
            with path.open("rb") as stream:
                while part := stream.read(_PART):
                    yield part
            yield bytes(-entry.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _not_built(problem: str, lines: Sequence[str]) -> PackagingError:
    last = [line for line in lines[-_LAST_LINES:] if line.strip()]
    return PackagingError(
        "image_not_built",
        f"{problem.strip()} | the log's last lines: {' | '.join(last)}",
        file="Dockerfile",
        remedy="The whole log is in the step's compute logs (stderr). The image built before is untouched.",
    )


def _not_pushed(name: str, problem: str) -> PackagingError:
    return PackagingError(
        "not_pushed",
        problem.strip(),
        field="deployment.repository",
        value=name,
        remedy="The image is built and tagged on the engine. Log the engine in to the registry, then run again.",
    )
