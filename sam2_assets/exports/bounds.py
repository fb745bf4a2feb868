"""The error of everything that is larger than a bound of ``ImportSettings``."""

from __future__ import annotations

from sam2_assets.errors import ExportError


def too_large(
    file: str, bound: str, seen: float, most: float, *, code: str = "archive_too_large", field: str | None = None
) -> ExportError:
    """The error to raise where ``seen`` exceeds the setting ``importing.<bound>``, which is ``most``.

    Args:
        file: what it is about.
        bound: name of the setting.
        seen: the value.
        most: the bound.
        code: of the error.
        field: path inside the file, if it is not the file as a whole.
    """
    return ExportError(
        code,
        f"more than the bound {bound} = {most:,.15g} allows",
        remedy=f"If you trust the file, raise importing.{bound} in the settings.",
        file=file,
        field=field or bound,
        value=seen,
    )
