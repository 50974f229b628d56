# SPDX-License-Identifier: Apache-2.0
"""Turn the older TOML inventory into a lab file; what has no place in one is listed, never dropped in silence."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "# Made from {source} by `rackbench inventory import`.\n"
# Where the secret of an auth reference stands in the older form and here.
AUTH_VALUES = {
    "password_env": "variable",
    "key_file": "path",
    "command": "command",
    "ssh_config": "host",
    "agent": None,
}
ENDPOINT_KEYS = ("hostname", "user", "port", "auth_ref", "host_key")
RETRY_KEYS = {
    "attempts": "attempts",
    "backoff_s": "backoff_s",
    "backoff": "backoff_s",
    "backoff_seconds": "backoff_s",
    "connect_timeout_s": "connect_timeout_s",
    "connect_timeout": "connect_timeout_s",
    "timeout": "connect_timeout_s",
}


@dataclass
class Imported:
    """A lab file's content, and what of the TOML file has no place in it: `place: why`."""

    content: dict[str, Any]
    unmapped: list[str] = field(default_factory=list)


def import_toml(path: Path) -> Imported:
    """Return the lab that a TOML inventory describes.

    Raises `RackbenchError("inventory_invalid")` if the file cannot be read, is not TOML, or has no hosts.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise RackbenchError("inventory_invalid", f"{path}: {reason}", where=str(path)) from error
    return _Importer(path).run(document)


def render(imported: Imported, source: Path) -> str:
    """Return the lab file as text, with what could not be mapped as comments at its end."""
    text = HEADER.format(source=source.name)
    text += yaml.safe_dump(imported.content, sort_keys=False, allow_unicode=True, width=110)
    if imported.unmapped:
        text += "# Not taken over:\n" + "".join(
            f"#   {' '.join(line.split())}\n" for line in imported.unmapped
        )
    return text


class _Importer:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._left: list[str] = []
        self._hops: dict[str, dict[str, Any]] = {}
        self._refs: dict[str, Any] = {}

    def run(self, document: dict[str, Any]) -> Imported:
        content: dict[str, Any] = {"schema": "rackbench.lab/1.0", "plugin": "rackbench.lab.lab"}
        self._refs = self._auth_refs(document.pop("auth_refs", {}))
        defaults = self._defaults(document.pop("defaults", {}))
        hosts = self._hosts(document.pop("hosts", None))
        shared = self._shared(document)
        if shared:
            defaults["vars"] = {**shared, **defaults.get("vars", {})}
        self._leave("", document)
        if "auth_ref" not in defaults and self._needs_auth([*hosts.values(), *self._hops.values()]):
            # The older form used what the user's own ssh knew.
            name = "own-ssh"
            while name in self._refs:
                name += "-config"
            self._refs[name] = {"type": "ssh_config"}
            defaults["auth_ref"] = name
        content["auth_refs"] = self._refs
        content["defaults"] = defaults
        if self._hops:
            content["hops"] = self._hops
        content["hosts"] = hosts
        return Imported(content, self._left)

    @staticmethod
    def _needs_auth(items: list[dict[str, Any]]) -> bool:
        return any("hostname" in item and "auth_ref" not in item for item in items)

    def _leave(self, place: str, rest: Any) -> None:
        """List what is left of a table."""
        if isinstance(rest, dict):
            for key, value in rest.items():
                self._leave(f"{place}.{key}" if place else str(key), value)
        else:
            self._left.append(f"{place} = {rest!r}")

    def _auth_refs(self, tables: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, table in tables.items():
            kind = table.get("type")
            if kind not in AUTH_VALUES:
                self._leave(f"auth_refs.{name}", table)
                continue
            rest = {key: value for key, value in table.items() if key != "type"}
            ref: dict[str, Any] = {"type": kind}
            key = AUTH_VALUES[kind]
            value = rest.pop("value", rest.pop(key, None)) if key else None
            if key and value is not None:
                ref[key] = [value] if kind == "command" and isinstance(value, str) else value
            if kind == "command" and isinstance(value, str):
                self._left.append(
                    f"auth_refs.{name}.value = {value!r}: a command is a list of arguments here; check the one written"
                )
            found[name] = ref
            self._leave(f"auth_refs.{name}", rest)
        return found

    def _defaults(self, table: dict[str, Any]) -> dict[str, Any]:
        defaults = self._endpoint(table, "defaults", keys=("user", "port", "auth_ref"))
        self._leave("defaults", table)
        return defaults

    def _endpoint(self, table: dict[str, Any], place: str, *, keys: tuple[str, ...]) -> dict[str, Any]:
        """Take what an address, a login and a retry policy are made of out of a table."""
        if "username" in table:
            table["user"] = table.pop("username")
        found = {key: table.pop(key) for key in keys if key in table}
        if isinstance(retry := table.pop("retry", None), dict):
            policy = {RETRY_KEYS[key]: retry.pop(key) for key in list(retry) if key in RETRY_KEYS}
            if policy:
                found["retry"] = policy
            self._leave(f"{place}.retry", retry)
        ref = found.get("auth_ref")
        if ref is not None and ref not in self._refs:
            self._left.append(f"{place}.auth_ref = {ref!r}: there is no such auth reference in the file")
            del found["auth_ref"]
        return found

    def _hosts(self, tables: Any) -> dict[str, Any]:
        if not isinstance(tables, list) or not tables:
            raise RackbenchError(
                "inventory_invalid", f"{self._path}: there are no [[hosts]]", where=str(self._path)
            )
        hosts: dict[str, Any] = {}
        for index, given in enumerate(tables):
            table = dict(given)
            place = f"hosts[{index}]"
            name = table.pop("name", None)
            if not isinstance(name, str) or name in hosts:
                reason = "stands twice" if name in hosts else "is missing"
                raise RackbenchError(
                    "inventory_invalid",
                    f"{self._path}: {place}: the name {name or ''} {reason}",
                    where=str(self._path),
                )
            transport = table.pop("transport", None)
            host = self._endpoint(table, place, keys=ENDPOINT_KEYS)
            host.setdefault("hostname", name)
            host |= {key: table.pop(key) for key in ("display_name", "tags", "python") if key in table}
            variables = self._shared(table)
            if variables:
                host["vars"] = variables
            if isinstance(transport, dict):
                chain = self._transport(dict(transport), f"{place}.transport")
                if chain is not None:
                    host["transport"] = chain
            self._leave(place, table)
            hosts[name] = host
        for name in self._hops.keys() & hosts.keys():
            self._merge(name, hosts[name], self._hops[name])
        return hosts

    def _merge(self, name: str, host: dict[str, Any], hop: dict[str, Any]) -> None:
        """A host that is a hop as well takes its address from the hop; what differs is said."""
        for key in (*ENDPOINT_KEYS, "retry", "transport"):
            if key in host:
                value = host.pop(key)
                if key in hop and hop[key] != value:
                    self._left.append(f"{name}.{key} = {value!r}: the hop {name} has {hop[key]!r}")
                elif key != "transport":
                    hop.setdefault(key, value)

    def _transport(self, table: dict[str, Any], place: str) -> dict[str, Any] | None:
        kind = table.pop("type", None)
        hops = table.pop("hops", None)
        self._leave(place, table)
        if kind != "jump_chain" or not isinstance(hops, list):
            if kind != "direct":
                self._left.append(f"{place}.type = {kind!r}: direct and jump_chain are known")
            return {"type": "direct"} if kind == "direct" else None
        names = []
        for index, given in enumerate(hops):
            hop = dict(given) if isinstance(given, dict) else {"name": given}
            inner = f"{place}.hops[{index}]"
            name = str(hop.pop("name", hop.get("hostname", "")))
            entry = self._endpoint(hop, inner, keys=(*ENDPOINT_KEYS, "proxy_command"))
            if isinstance(entry.get("proxy_command"), str):
                self._left.append(
                    f"{inner}.proxy_command = {entry.pop('proxy_command')!r}: give a list of arguments"
                )
            entry.setdefault("hostname", name)
            self._leave(inner, hop)
            known = self._hops.setdefault(name, entry)
            self._left += [
                f"{inner}.{key} = {value!r}: an earlier hop {name} has {known.get(key)!r}"
                for key, value in entry.items()
                if known.get(key) != value
            ]
            names.append(name)
        return {"type": "jump_chain", "hops": names}

    @staticmethod
    def _shared(table: dict[str, Any]) -> dict[str, Any]:
        """Take what our playbooks read from variables: configured bundles and publish targets."""
        variables: dict[str, Any] = {}
        for key in ("bundles", "configured_bundles"):
            if isinstance(table.get(key), dict) and all(
                isinstance(path, str) for path in table[key].values()
            ):
                variables["lab_bundles"] = {**variables.get("lab_bundles", {}), **table.pop(key)}
        if isinstance(table.get("publish_targets"), dict | list):
            variables["lab_publish_targets"] = table.pop("publish_targets")
        if isinstance(table.get("agentsth"), dict):
            variables["lab_agentsth"] = table.pop("agentsth")
        if isinstance(table.get("paths"), dict):
            variables["lab_paths"] = table.pop("paths")
        return variables
