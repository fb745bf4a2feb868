"""The image itself: built by a real Docker Engine, started, asked, named; or refused, and nothing left."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import socket
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest

from sam2_assets.errors import PackagingError
from sam2_assets.evaluation.predictions import read_predictions
from sam2_assets.instructions.reading import load_samples
from sam2_assets.packaging import DeploymentSettings
from sam2_assets.packaging.context import read_context
from sam2_assets.packaging.engine import LABEL, Engine
from sam2_assets.packaging.image import repository_of
from sam2_assets.packaging.wheels import collect_wheels
from sam2_assets_tests.docs.test_docs import blocks
from sam2_assets_tests.evaluation.line import Line, child
from sam2_assets_tests.free_port import free_port
from sam2_assets_tests.packaging.test_deploy import job_of

# The first build on a machine collects and installs all libraries.
BUILD_S = 1500.0
pytestmark = [pytest.mark.xdist_group("image"), pytest.mark.timeout(2 * BUILD_S)]
NAME = "cats.mp4-20ae30"
SETTINGS = DeploymentSettings(pictures=2, repository="sam2-assets-tests", container_memory_gib=2.0)
ROOT = Path(__file__).parents[2]
REPOSITORY = "sam2-assets-tests/cats-mp4-20ae30"


@pytest.fixture(scope="module")
def engine(base_image: str) -> Iterator[Engine]:
    yield Engine()
    client = docker.from_env()
    for image in client.images.list(REPOSITORY):
        client.images.remove(image.id, force=True)


@pytest.fixture(scope="module")
def built(line: Line, repository: Path, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the child wrote about the image that it built, started and named."""
    out = tmp_path_factory.mktemp("image") / "out"
    done = child("sam2_assets.packaging", job_of(line, repository, out, settings=SETTINGS, image=NAME), BUILD_S)
    assert done.returncode == 0, done.stderr
    assert "Successfully built" in done.stderr, "the compute logs hold the engine's words"
    return out


def leftovers(name: str = REPOSITORY) -> list[Any]:
    client = docker.from_env()
    chosen = {"label": f"{LABEL}={name}"}
    found = [of.list(filters=chosen) for of in (client.volumes, client.networks)]
    return [*client.containers.list(all=True, filters=chosen), *found[0], *found[1]]


def test_a_container_of_the_image_answers_as_evaluated_and_the_image_gets_its_names(built: Path) -> None:
    found = json.loads((built / "built.json").read_text())
    verification = json.loads((built / "verification.json").read_text())
    assert (verification["served_by"], verification["questions"], verification["agreement"]) == ("container", 2, 1.0)
    version = read_context(built / "context").sha256[:12]
    assert found["tags"] == [f"{REPOSITORY}:{version}", f"{REPOSITORY}:latest"]
    client = docker.from_env()
    assert {client.images.get(tag).id for tag in found["tags"]} == {found["image_id"]}
    assert client.images.get(found["image_id"]).attrs["Config"]["User"] == "10001:10001"
    assert found["size_bytes"] < 2 * 1024**3
    assert "Successfully built" in (built / "build.log").read_text()
    assert not leftovers()


def test_the_container_is_hardened_and_reachable_from_this_machine_only(
    built: Path, line: Line, engine: Engine
) -> None:
    image = json.loads((built / "built.json").read_text())["image_id"]
    with engine.serving(image, REPOSITORY, str(line.base), SETTINGS):
        (container,) = [found for found in leftovers() if hasattr(found, "image")]
        host = container.attrs["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert (host["PidsLimit"], host["Memory"]) == (512, 2 * 1024**3)
        assert not host["Privileged"]
        assert {binding["HostIp"] for binding in container.attrs["NetworkSettings"]["Ports"]["8000/tcp"]} == {
            "127.0.0.1"
        }
        assert [mount["RW"] for mount in container.attrs["Mounts"]] == [False]
        who = container.exec_run(["id", "-u"]).output.decode().strip()
        assert who == "10001"
        assert container.exec_run(["touch", "/srv/x"]).exit_code != 0
    assert not leftovers()


def test_the_commands_of_the_page_start_it_and_get_the_evaluated_answer(
    built: Path, line: Line, tmp_path: Path
) -> None:
    row = read_predictions(line.evaluation)[0]
    samples = load_samples(line.splits, line.datasets, "test", tasks=[row["task"]])
    (sample,) = [found for found in samples if found.sample_id == row["sample_id"]]
    (tmp_path / "frame.png").write_bytes(sample.image_bytes)
    base = shutil.copytree(line.base, tmp_path / "base")
    for file in base.iterdir():
        file.chmod(0o644)
    name = f"page-{secrets.token_hex(3)}"
    script = "".join(blocks(ROOT / "docs" / "image.md", "bash image"))
    written = {
        "sam2-assets-models/": "sam2-assets-tests/",
        "/models/llava-1.5-7b-hf": str(base),
        "127.0.0.1:8000": f"127.0.0.1:{free_port()}",
        " cats ": f" {name} ",
        " cats\n": f" {name}\n",
        "What is the largest object in this picture, and where is it?": row["question"],
    }
    for on_the_page, here in written.items():
        assert on_the_page in script
        script = script.replace(on_the_page, here)
    try:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=BUILD_S
        )
        logs = subprocess.run(["docker", "logs", name], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr + logs.stderr
    finally:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True)
    health, answer = (json.loads(text) for text in re.findall(r"{.*}", done.stdout.replace("}{", "}\n{")))
    assert health["status"] == "ready"
    assert answer["text"] == row["adapter_text"]


def test_a_run_in_a_container_asks_over_a_network_that_the_two_have_for_themselves(
    built: Path, line: Line, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = docker.from_env()
    image = json.loads((built / "built.json").read_text())["image_id"]
    run = client.containers.run(image, ["-c", "import time; time.sleep(900)"], entrypoint="python3", detach=True)
    monkeypatch.setattr(socket, "gethostname", lambda: run.short_id)
    asks = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1] + '/health').status)"
    try:
        with engine.serving(image, REPOSITORY, str(line.base), SETTINGS) as address:
            assert run.exec_run(["python3", "-c", asks, address]).output.decode().strip() == "200"
            (network,) = client.networks.list(filters={"label": f"{LABEL}={REPOSITORY}"})
            assert network.attrs["Internal"], "the base model is here, so it leads nowhere"
            (container,) = [found for found in leftovers() if hasattr(found, "image")]
            assert not container.attrs["HostConfig"]["PortBindings"]
        assert not leftovers()
        run.reload()
        assert list(run.attrs["NetworkSettings"]["Networks"]) == ["bridge"]
    finally:
        run.remove(force=True)


def test_a_build_that_fails_says_why_with_the_log_and_takes_no_name_from_the_good_image(
    built: Path, engine: Engine, tmp_path: Path
) -> None:
    good = docker.from_env().images.get(f"{REPOSITORY}:latest").id
    (tmp_path / "Dockerfile").write_text("FROM python:3.11-slim-bookworm\nRUN echo before && cat /no-such-file\n")
    lines: list[str] = []
    with pytest.raises(PackagingError) as caught:
        engine.build(tmp_path, [], lines.append)
    assert caught.value.code == "image_not_built"
    assert "/no-such-file" in str(caught.value)
    assert "before" in "".join(lines)
    assert docker.from_env().images.get(f"{REPOSITORY}:latest").id == good


def test_an_image_whose_server_fails_is_told_by_its_own_log_and_leaves_nothing(
    built: Path, line: Line, engine: Engine, tmp_path: Path
) -> None:
    good = docker.from_env().images.get(f"{REPOSITORY}:latest").id
    (tmp_path / "Dockerfile").write_text(
        f'FROM {good}\nENTRYPOINT ["python3", "-c", "raise SystemExit(\'the model is not there\')"]\n'
    )
    image = engine.build(tmp_path, [], lambda _: None)
    with pytest.raises(PackagingError) as caught, engine.serving(image, REPOSITORY, str(line.base), SETTINGS):
        pytest.fail("it does not serve")
    assert caught.value.code == "server_failed"
    assert "exit code 1: the model is not there" in str(caught.value)
    assert not leftovers()
    engine.discard(image)
    assert docker.from_env().images.get(f"{REPOSITORY}:latest").id == good


def test_without_an_engine_the_context_is_verified_and_that_is_said_or_it_fails_where_that_is_asked(
    line: Line, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    done = child("sam2_assets.packaging", job_of(line, repository, tmp_path / "out", settings=SETTINGS, image=NAME))
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out/built.json").read_text())
    assert not found["built"]
    assert "no Docker Engine answers" in found["reason"]
    assert json.loads((tmp_path / "out/verification.json").read_text())["served_by"] == "process"
    strict = SETTINGS.model_copy(update={"without_engine": "fail"})
    done = child("sam2_assets.packaging", job_of(line, repository, tmp_path / "other", settings=strict, image=NAME))
    assert done.returncode == 2
    assert json.loads(done.stdout.splitlines()[-1])["code"] == "no_engine"


def test_names_are_what_registries_allow() -> None:
    settings = DeploymentSettings(repository="registry.example:5000/team/")
    assert repository_of("Größe 3_x--1-ab12", settings) == "registry.example:5000/team/gr-e-3-x-1-ab12"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A real registry on this machine."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("absent docker-registry, see scripts/install_docker.sh")
    port = free_port()
    config = tmp_path / "registry.yml"
    config.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/registry}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    with (tmp_path / "registry.log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            try:
                httpx.get(f"http://127.0.0.1:{port}/v2/", trust_env=False).raise_for_status()
            except httpx.TransportError:
                time.sleep(0.2)
                continue
            break
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def test_an_image_is_pushed_to_a_registry_which_names_its_digest(engine: Engine, registry: str, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    image = engine.build(context, [], lambda _: None)
    repository = repository_of(NAME, SETTINGS.model_copy(update={"repository": f"{registry}/team"}))
    try:
        assert engine.tag(image, repository, ["v1"]) == [f"{registry}/team/cats-mp4-20ae30:v1"]
        digest = engine.push(repository, "v1", lambda _: None)
        url = f"http://{registry}/v2/team/cats-mp4-20ae30/manifests/v1"
        accepted = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
        assert httpx.head(url, headers=accepted, trust_env=False).headers["Docker-Content-Digest"] == digest
        away = repository.replace(registry, f"127.0.0.1:{free_port()}")
        engine.tag(image, away, ["v1"])
        with pytest.raises(PackagingError, match="connection refused") as caught:
            engine.push(away, "v1", lambda _: None)
        assert caught.value.code == "not_pushed"
    finally:
        engine.client.images.remove(image, force=True)


def tiny_wheel(folder: Path) -> None:
    folder.mkdir()
    with zipfile.ZipFile(folder / "kept_at_hand-1.0-py3-none-any.whl", "w") as wheel:
        about = "kept_at_hand-1.0.dist-info"
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: kept-at-hand\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")


def test_wheels_come_by_this_machines_pip_and_one_that_it_cannot_get_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_wheel(tmp_path / "mine")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "mine"))
    kept = tmp_path / "kept"
    with pytest.raises(PackagingError, match=r"not-at-hand==2\.0") as caught:
        collect_wheels({"not-at-hand": "2.0"}, kept)
    assert caught.value.code == "wheels_not_collected"
    assert not list(kept.iterdir())
    found = collect_wheels({"kept-at-hand": "1.0"}, kept)
    assert found == [kept / "kept_at_hand-1.0-py3-none-any.whl"]
    monkeypatch.delenv("PIP_FIND_LINKS")
    assert collect_wheels({"kept-at-hand": "1.0"}, kept) == found, "pip is not asked for what is there"
