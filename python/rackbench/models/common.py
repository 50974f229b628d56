# SPDX-License-Identifier: Apache-2.0
"""What all documents share: the `schema` field, tolerance for unknown fields, and errors that name the place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from pathlib import Path


class Model(BaseModel):
    """A part of a document. Unknown fields are kept and not refused, so that older readers accept newer files."""

    model_config = ConfigDict(extra="allow", populate_by_name=True, allow_inf_nan=False)


class StrictModel(BaseModel):
    """A part of a file that people write by hand: a field that we do not know is a typing mistake."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, allow_inf_nan=False)


class Document(Model):
    """A whole file, with its kind and version in the field `schema`: `rackbench.<kind>/<major>.<minor>`."""

    KIND: ClassVar[str]
    VERSION: ClassVar[str] = "1.0"

    schema_: str = Field(alias="schema", pattern=r"^rackbench\.[a-z-]+/\d+\.\d+$")

    @classmethod
    def schema_name(cls) -> str:
        """Return what the field `schema` of a new document says."""
        return f"rackbench.{cls.KIND}/{cls.VERSION}"


ModelT = TypeVar("ModelT", bound=BaseModel)


def check(model: type[ModelT], content: Any, *, path: Path, code: str) -> ModelT:
    """Return `content` as `model`.

    Raises `RackbenchError(code)` that names the file, the place in it and what is allowed there.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise RackbenchError(code, f"{path}: {explain(error)}", where=str(path)) from error


def explain(error: ValidationError) -> str:
    """Return the findings of a validation as one line: place, reason; place, reason."""
    findings = []
    for item in error.errors(include_url=False):
        place = ".".join(str(part) for part in item["loc"]) or "the document"
        given = "" if item["type"] == "missing" else f" (given: {_short(item['input'])})"
        findings.append(f"{place}: {item['msg']}{given}")
    return "; ".join(findings)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
