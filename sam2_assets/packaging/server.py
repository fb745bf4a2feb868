"""The inference server: one model, one question at a time, over HTTP.

``POST /predict`` (multipart: ``image``, ``question``), ``GET /health``, ``GET /info``. The same ``Predictor`` answers
as in the evaluation, so prompt, pixels and scaling are those of the training. Also a command:
``python -m sam2_assets.packaging.server REPOSITORY``.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import uvicorn
from fastapi import FastAPI, File, Form, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from sam2_assets.errors import PackagingError, Sam2AssetsError
from sam2_assets.packaging.fingerprint import code_sha256
from sam2_assets.packaging.model import ServedModel
from sam2_assets.packaging.serving import Serving
from sam2_assets.packaging.uploads import BodyLimit, Limits, RefusedRequestError, check_question, read_picture

_WAITING_REQUESTS: Final = 64


class Loading:
    """A model that loads in the background.

    Args:
        repository: folder that ``write_repository`` wrote.
        base_model: see ``serving.resolve_base``.
    """

    def __init__(self, repository: Path, base_model: str | None) -> None:
        self.serving = Serving.read(repository)
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="load-model")
        self._repository, self._base_model = repository, base_model
        self._future: Future[ServedModel] | None = None

    def start(self, on_failure: Callable[[BaseException], None]) -> None:
        """Begin to load; ``on_failure`` is called from the loading thread if it cannot be done."""

        def ended(future: Future[ServedModel]) -> None:
            error = future.exception()
            if error is not None:
                on_failure(error)

        self._future = self._executor.submit(ServedModel.open, self._repository, self._base_model)
        self._future.add_done_callback(ended)

    @property
    def error(self) -> BaseException | None:
        """Why it could not be loaded, once that is known."""
        return self._future.exception() if self._future is not None and self._future.done() else None

    @property
    def model(self) -> ServedModel | None:
        """The model, once it is ready."""
        if self._future is None or not self._future.done() or self.error is not None:
            return None
        return self._future.result()

    @property
    def status(self) -> str:
        """``loading``, ``ready`` or ``failed``."""
        if self.error is not None:
            return "failed"
        return "loading" if self.model is None else "ready"


def create_app(
    repository: Path,
    *,
    base_model: str | None = None,
    limits: Limits | None = None,
    on_failure: Callable[[BaseException], None] = lambda error: None,
) -> FastAPI:
    """The application; the model loads in the background once it is started.

    Args:
        repository: folder that ``write_repository`` wrote.
        base_model: folder or hub id; ``None``: see ``serving.resolve_base``.
        limits: of requests.
        on_failure: called if the model cannot be loaded; ``/health`` says why, too.

    Raises:
        PackagingError: ``not_a_repository``, ``serving_invalid``.
    """
    loading, allowed = Loading(repository, base_model), limits or Limits()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loading.start(on_failure)
        yield

    app = FastAPI(title=loading.serving.name, lifespan=lifespan)
    app.add_middleware(BodyLimit, limits=allowed)

    @app.post("/predict")
    def predict(image: Annotated[UploadFile, File()], question: Annotated[str, Form()]) -> dict[str, Any]:
        """Answer a question about a picture; boxes are in pixels of the picture."""
        picture = read_picture(image.file.read(allowed.upload_bytes + 1), allowed)
        asked = check_question(question, allowed)
        model = loading.model
        if model is None:
            raise RefusedRequestError(
                503, "not_ready", "the model is not loaded", field="status", value=loading.status, remedy="Ask /health."
            )
        return model.predict(picture, asked)

    @app.get("/health")
    def health() -> JSONResponse:
        """200 once the model can answer; 503 before, and if it could not be loaded."""
        content: dict[str, Any] = {"status": loading.status}
        if loading.error is not None:
            content["error"] = _as_dict(loading.error)
        return JSONResponse(content, status_code=200 if loading.status == "ready" else 503)

    @app.get("/info")
    def info() -> dict[str, Any]:
        """What is served: ``serving.json`` without its examples, and the hash of the serving code."""
        return {**loading.serving.model_dump(mode="json", exclude={"examples"}), "code_sha256": code_sha256()}

    @app.exception_handler(Sam2AssetsError)
    def refused(_: Request, error: Sam2AssetsError) -> JSONResponse:
        status = error.status if isinstance(error, RefusedRequestError) else 422
        return JSONResponse({"error": error.as_dict()}, status_code=status)

    @app.exception_handler(RequestValidationError)
    def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        refusal = RefusedRequestError(
            422,
            "form_incomplete",
            str(first["msg"]),
            field=str(first["loc"][-1]),
            value=None,
            remedy="Send a multipart form with the file `image` and the text `question`.",
        )
        return JSONResponse({"error": refusal.as_dict()}, status_code=422)

    return app


def _as_dict(error: BaseException) -> dict[str, str | None]:
    if isinstance(error, Sam2AssetsError):
        return error.as_dict()
    return {"code": type(error).__name__, "message": str(error)}


def serve(repository: Path, host: str = "127.0.0.1", port: int = 8000, *, base_model: str | None = None) -> None:
    """Serve a repository until the process is asked to end.

    The first line on stdout is ``{"phase": "listening", "host", "port"}``; port 0 takes a free one.

    Args:
        repository: folder that ``write_repository`` wrote.
        host: address to listen on.
        port: port to listen on.
        base_model: folder or hub id; ``None``: see ``serving.resolve_base``.

    Raises:
        PackagingError: ``not_a_repository``, ``serving_invalid``, ``cannot_listen``, or why the model did not load.
        TrainingError: why the base model did not load.
    """
    failed: list[BaseException] = []

    def give_up(error: BaseException) -> None:
        failed.append(error)
        server.should_exit = True

    app = create_app(repository, base_model=base_model, on_failure=give_up)
    config = uvicorn.Config(app, log_level="warning", access_log=False, limit_concurrency=_WAITING_REQUESTS)
    server = uvicorn.Server(config)
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise PackagingError(
            "cannot_listen", str(error), field="host:port", value=f"{host}:{port}", remedy="Choose a free port."
        ) from error
    with listener:
        print(json.dumps({"phase": "listening", "host": host, "port": listener.getsockname()[1]}), flush=True)
        server.run(sockets=[listener])
    if failed:
        raise failed[0]


def main(arguments: list[str] | None = None) -> int:
    """Serve the repository named on the command line; exit code 2 with one line on stderr for a user's problem."""
    parser = argparse.ArgumentParser(prog="python -m sam2_assets.packaging.server", description="Serve a model.")
    parser.add_argument("repository", type=Path, help="folder that model_card published")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--base-model", help="folder or hub id of the base model")
    options = parser.parse_args(arguments)
    try:
        serve(options.repository, options.host, options.port, base_model=options.base_model)
    except Sam2AssetsError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
