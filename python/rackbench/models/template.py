# SPDX-License-Identifier: Apache-2.0
"""`templates/NAME.yml`: a named preset of a run. Everything but its summary may be left out."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, Strict, StringConstraints, model_validator

from rackbench.models.bundle import Name
from rackbench.models.common import Document, Model, StrictModel

Tag = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=40)]
Count = Annotated[int, Strict()]
FamilyName = Annotated[
    str, StringConstraints(pattern=r"^([a-z][a-z0-9]*(-[a-z0-9]+)*:)?[a-z][a-z0-9]*(-[a-z0-9]+)*$")
]


class TemplateYml(StrictModel):
    """`templates/NAME.yml`. Each field but `schema` and `summary` is the option of a run that has its name."""

    schema_: Literal["rackbench.template/1.0"] = Field(alias="schema")
    summary: str = Field(min_length=1, max_length=100)
    benchmarks: list[Name] | None = Field(default=None, min_length=1)
    families: list[FamilyName] | None = Field(
        default=None, min_length=1, description="FAMILY, or BENCHMARK:FAMILY for one benchmark"
    )
    repeats: Count | None = Field(default=None, ge=1)
    repeats_until: Annotated[float, Strict()] | None = Field(
        default=None, gt=0, le=100, description="percent; it excludes `repeats`"
    )
    repeats_max: Count | None = Field(default=None, ge=3)
    warmups: Count | None = Field(default=None, ge=0)
    noise: dict[str, Any] | None = Field(default=None, description="noise settings while benchmarks run")
    settings: dict[Name, dict[str, Any]] | None = Field(
        default=None, description="settings of benchmarks: benchmark, name, value"
    )
    tags: list[Tag] | None = Field(default=None, description="names that the run carries")
    label: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$", description="the label of the run"
    )

    @model_validator(mode="after")
    def _one_end_of_repeats(self) -> Self:
        if self.repeats is not None and self.repeats_until is not None:
            raise ValueError("repeats and repeats_until exclude each other; leave one of them out")
        return self


class TemplateRow(Model):
    """A template that there is, or a file among them that is none."""

    name: str
    path: str = Field(description="relative to the project")
    summary: str | None
    options: dict[str, Any] | None = Field(description="the options of a run that it sets")
    problem: str | None = Field(description="why the file cannot be used")


class Templates(Document):
    """The answer of `rackbench templates`."""

    KIND: ClassVar[str] = "templates"

    templates: list[TemplateRow]
