# SPDX-License-Identifier: Apache-2.0
"""Read a lab inventory file, with the line of everything in it, and check it before anything is dialled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ValidationError

from rackbench import yaml_source
from rackbench.models import lab as models
from rackbench.transport import references
from rackbench.yaml_source import nearest

if TYPE_CHECKING:
    from rackbench.yaml_source import Place, Source

KNOWN_HOSTS = "known_hosts.txt"


class VaultText(str):
    """A scalar that was tagged `!vault` in the file: the encrypted text."""

    __slots__ = ()


class _Loader(yaml.SafeLoader):
    """SafeLoader with `!vault`; its nodes are walked for lines before they are made into values."""


def _vault(loader: yaml.SafeLoader, node: yaml.Node) -> VaultText:
    return VaultText(loader.construct_scalar(node))  # type: ignore[arg-type]


_Loader.add_constructor("!vault", _vault)


@dataclass(frozen=True)
class LabFile:
    """A checked lab file. Relative paths in it are relative to `project`."""

    source: Source
    model: models.Lab
    project: Path

    @property
    def path(self) -> Path:
        """The file itself."""
        return self.source.path

    @property
    def known_hosts(self) -> Path:
        """The lab's own known_hosts: what the file says, or `known_hosts.txt` beside it."""
        if self.model.known_hosts is None:
            return self.path.parent / KNOWN_HOSTS
        return self.resolve(self.model.known_hosts)

    def resolve(self, text: str) -> Path:
        """Return a path of the file as an absolute one; `~` is the home directory of the user."""
        return self.project / Path(text).expanduser()


def project_of(path: Path) -> Path:
    """Return the folder that paths in a lab file are relative to: the nearest one above it with an ansible.cfg."""
    for folder in path.parents:
        if (folder / "ansible.cfg").is_file():
            return folder
    return path.parent


def load(path: Path) -> LabFile:
    """Read and check a lab file: keys, types, references between its parts. Nothing is dialled, no secret is read.

    Raises `RackbenchError("inventory_invalid")`, one line for each problem: file, line, path and what is allowed.
    """
    source = yaml_source.read(path.absolute(), code="inventory_invalid", loader=_Loader)
    if not isinstance(source.content, dict):
        raise source.error([((), "a lab file is a mapping with schema, auth_refs, defaults, hops and hosts")])
    try:
        model = models.Lab.model_validate(source.content)
    except ValidationError as error:
        raise source.error([_problem(item, source) for item in error.errors(include_url=False)]) from error
    problems = references.problems(model)
    if problems:
        raise source.error(problems)
    return LabFile(source, model, project_of(source.path))


def _problem(item: Any, source: Source) -> tuple[Place, str]:
    place = source.place(item["loc"])
    if item["type"] == "extra_forbidden":
        return place, f"unknown key; {nearest(str(place[-1]), _allowed(place[:-1], source.content))}"
    if item["type"] == "missing" and place == ("plugin",):
        return (
            (),
            "the line `plugin: rackbench.lab.lab` is missing, without which Ansible does not read the file",
        )
    if item["type"] == "missing":
        return place[:-1] or place, f"the key {place[-1]!r} is missing"
    if item["type"] == "union_tag_invalid":
        context = item["ctx"]
        allowed = [tag.strip(" '") for tag in str(context["expected_tags"]).split(",")]
        return (*place, "type"), f"unknown type {context['tag']!r}; {nearest(str(context['tag']), allowed)}"
    if item["type"] == "union_tag_not_found":
        return place, "the key 'type' is missing"
    return place, f"{item['msg']} {yaml_source.given(item['input'])}"


def _allowed(place: Place, content: Any) -> list[str]:
    here = content
    for part in place:
        here = here[part]
    sections: dict[str, type[BaseModel]] = {
        "hops": models.Hop,
        "hosts": models.Host,
        "defaults": models.Defaults,
        "retry": models.Retry,
        "become": models.Become,
    }
    tagged: dict[str, type[BaseModel]] = {
        "password_env": models.PasswordEnv,
        "command": models.Command,
        "vault": models.Vault,
        "key_file": models.KeyFile,
        "agent": models.Agent,
        "ssh_config": models.SshConfig,
        "direct": models.Direct,
        "jump_chain": models.JumpChain,
    }
    if not place:
        model: type[BaseModel] = models.Lab
    elif place[0] == "auth_refs" or place[-1] == "transport":
        model = tagged[here["type"]]
    else:
        model = sections.get(str(place[-1])) or sections[str(place[0])]
    return [field.alias or name for name, field in model.model_fields.items()]
