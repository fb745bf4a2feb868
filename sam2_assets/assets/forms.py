"""Launchpad forms, derived from the core's settings models.

In a form every field may stay empty, which means "as the settings files say": a form with the defaults filled in would
override what a person chose in a sidecar. Ranges are checked by the core when the step starts; Dagster's forms do not
check them.
"""

from __future__ import annotations

import copy
import enum
import types
import typing as t

import dagster as dg
from pydantic import BaseModel, create_model
from pydantic.fields import FieldInfo

Form = type[dg.Config]


def _kind(annotation: t.Any, name: str) -> t.Any:
    origin, arguments = t.get_origin(annotation), t.get_args(annotation)
    if origin is t.Literal:
        return enum.Enum(name, {value: value for value in arguments})
    if origin in (t.Union, types.UnionType):
        (inner,) = [a for a in arguments if a is not type(None)]
        return _kind(inner, name)
    return annotation


def form_of(model: type[BaseModel]) -> Form:
    """The form of a settings model: the same fields and descriptions, all optional, sections nested."""
    fields: dict[str, tuple[t.Any, FieldInfo]] = {}
    for name, info in model.model_fields.items():
        default = info.get_default(call_default_factory=True)
        meaning = info.description or ""
        if isinstance(default, BaseModel):
            kind: t.Any = form_of(type(default))
            empty = kind()
        else:
            kind, empty = t.Optional[_kind(info.annotation, f"{model.__name__}_{name}")], None  # noqa: UP045
            meaning = f"{meaning} (default: {default if default not in (None, '') else 'empty'})"
        field = copy.copy(info)
        field.default, field.default_factory, field.metadata = empty, None, []
        field.description = meaning
        fields[name] = (kind, field)
    made: Form = create_model(f"{model.__name__}Form", __base__=dg.Config, __doc__=model.__doc__, **fields)  # type: ignore[call-overload]
    return made


def filled(form: dg.Config) -> dict[str, t.Any]:
    """What a person filled in, as nested plain values; empty fields and sections are left out."""
    chosen: dict[str, t.Any] = {}
    for name in type(form).model_fields:
        value = getattr(form, name)
        if isinstance(value, dg.Config):
            value = filled(value) or None
        if isinstance(value, enum.Enum):
            value = value.value
        if value is not None:
            chosen[name] = value
    return chosen
