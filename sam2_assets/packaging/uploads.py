"""What the server accepts: sizes, picture formats and questions, and the errors that say what was wrong."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageOps, UnidentifiedImageError
from starlette.requests import ClientDisconnect

from sam2_assets.errors import PackagingError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FORMATS: Final = ("PNG", "JPEG", "WEBP")
_FORM_OVERHEAD: Final = 64 * 1024
_MOST_DISCARDED: Final = 256 * 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """The largest request that is looked at.

    Args:
        upload_bytes: of the picture's file.
        pixels: of the picture, width times height.
        question_characters: of the question.
    """

    upload_bytes: int = 20 * 1024 * 1024
    pixels: int = 50_000_000
    question_characters: int = 2_000


class RefusedRequestError(PackagingError):
    """A request that cannot be answered, with the HTTP status that says so."""

    def __init__(self, status: int, code: str, problem: str, *, field: str, value: object, remedy: str) -> None:
        super().__init__(code, problem, field=field, value=value, remedy=remedy)
        self.status = status


def read_picture(data: bytes, limits: Limits) -> Image.Image:
    """An upload as an RGB picture, turned as its EXIF orientation says (frames of a dataset have none).

    Raises:
        RefusedRequestError: ``picture_empty`` (422), ``picture_too_large`` (413), ``picture_unreadable`` (415).
    """
    if not data:
        raise RefusedRequestError(
            422, "picture_empty", "the file has no bytes", field="image", value=0, remedy="Send a PNG, JPEG or WebP."
        )
    if len(data) > limits.upload_bytes:
        raise too_large(len(data), limits)
    try:
        picture = Image.open(io.BytesIO(data), formats=_FORMATS)
        if picture.width * picture.height > limits.pixels:
            raise RefusedRequestError(
                413,
                "picture_too_large",
                f"more than {limits.pixels} pixels",
                field="image",
                value=f"{picture.width} x {picture.height}",
                remedy="Send a smaller picture; the model does not see more detail.",
            )
        upright = ImageOps.exif_transpose(picture)
        return upright.convert("RGB")
    # Pillow reports damaged files as any of these; a DecompressionBombError is caught by the size above.
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise RefusedRequestError(
            415,
            "picture_unreadable",
            f"not a complete PNG, JPEG or WebP picture ({error})",
            field="image",
            value=data[:12],
            remedy="Send the picture's file itself, not a link or base64 text.",
        ) from error


def too_large(size: int | str, limits: Limits) -> RefusedRequestError:
    """The refusal of an upload with too many bytes."""
    return RefusedRequestError(
        413,
        "picture_too_large",
        f"more than {limits.upload_bytes} bytes",
        field="image",
        value=size,
        remedy="Send a smaller picture; the model does not see more detail.",
    )


def check_question(question: str, limits: Limits) -> str:
    """The question, if it can be asked.

    Raises:
        RefusedRequestError: ``question_empty`` or ``question_too_long`` (422).
    """
    if not question.strip():
        raise RefusedRequestError(
            422, "question_empty", "there is no question", field="question", value=question, remedy="Ask something."
        )
    if len(question) > limits.question_characters:
        raise RefusedRequestError(
            422,
            "question_too_long",
            f"more than {limits.question_characters} characters",
            field="question",
            value=len(question),
            remedy="Ask a shorter question.",
        )
    return question


class BodyLimit:
    """ASGI middleware that stops reading a request's body at the limit, whatever its headers claim."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits
        self._most = limits.upload_bytes + _FORM_OVERHEAD

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        claimed = dict(scope["headers"]).get(b"content-length", b"0")
        if claimed.isdigit() and int(claimed) > self._most:
            await self._refuse(receive, send, int(claimed))
            return
        seen, exceeded, started = 0, False, False

        async def counted() -> Message:
            nonlocal seen, exceeded
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._most:
                exceeded = True
                return {"type": "http.disconnect"}
            return message

        async def watched(message: Message) -> None:
            nonlocal started
            if exceeded and not started:
                return
            started = True
            await send(message)

        try:
            await self._app(scope, counted, watched)
        except ClientDisconnect:
            # What the early end of the body looks like to the application.
            if not exceeded:
                raise
        if exceeded and not started:
            await self._refuse(receive, send, f"over {self._most}")

    async def _refuse(self, receive: Receive, send: Send, size: int | str) -> None:
        # Answered while the client still sends, the answer would be lost with the connection: read on, keep nothing.
        discarded, more = 0, True
        while more and discarded < _MOST_DISCARDED:
            message = await receive()
            discarded += len(message.get("body", b""))
            more = message["type"] == "http.request" and message.get("more_body", False)
        body = json.dumps({"error": too_large(size, self._limits).as_dict()}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 413, "headers": [*headers, (b"connection", b"close")]})
        await send({"type": "http.response.body", "body": body})
