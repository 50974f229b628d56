# SPDX-License-Identifier: Apache-2.0
"""The report of a preflight: `summary.json` for machines, and the same as `summary.md` for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rackbench.bundles.decision import ON_CONTROLLER, ON_TARGET
from rackbench.models.preflight import Preflight
from rackbench.readiness import states

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rackbench.adapters.catalog import Adapter
    from rackbench.bundles.decision import Decision
    from rackbench.errors import RackbenchError
    from rackbench.readiness.classify import Readiness

_MADE = {ON_CONTROLLER: "made on the controller", ON_TARGET: "built on the host"}


def report(
    host: str,
    *,
    platform: Mapping[str, Any],
    probe: Mapping[str, Any] | None,
    controller_probe: Mapping[str, Any] | None,
    verdicts: Sequence[Readiness],
    decisions: Mapping[str, Decision],
    planned: Mapping[str, list[dict[str, Any]]],
    failure: RackbenchError | None = None,
) -> dict[str, Any]:
    """Return `preflight/summary.json`. It says nothing of the run that made it, so that reports can be compared."""
    return {
        "schema": Preflight.schema_name(),
        "host": host,
        "checked": probe is not None,
        "failure": {"code": failure.code, "message": failure.message} if failure else None,
        "platform": dict(platform),
        "probe": probe,
        "controller_probe": controller_probe,
        "readiness": [verdict.as_dict() for verdict in verdicts],
        "packaging": {name: decision.as_dict() for name, decision in decisions.items()},
        "planned_families": dict(planned),
    }


def planned_families(
    adapters: Iterable[Adapter], executions: Mapping[str, Iterable[Mapping[str, Any]]]
) -> dict[str, list[dict[str, Any]]]:
    """Return the families that a plan's executions belong to, adapter by adapter."""
    planned = {}
    for adapter in adapters:
        mine = list(executions.get(adapter.name, ()))
        planned[adapter.name] = [
            {
                "family": family.name,
                "summary": family.summary,
                "time_limit_s": family.time_limit_s,
                "executions": [str(each["execution_id"]) for each in mine if each["family"] == family.name],
            }
            for family in adapter.families
            if any(each["family"] == family.name for each in mine)
        ]
    return planned


def summary(document: Mapping[str, Any]) -> str:
    """Return a report as Markdown."""
    lines = [f"# Preflight of {document['host']}", "", _about_host(document), ""]
    lines += _table(
        ("benchmark", "state", "basis", "what next"),
        (
            (each["adapter"], each["status"], each["status_basis"], _next(each))
            for each in document["readiness"]
        ),
    )
    for each in document["readiness"]:
        name = each["adapter"]
        lines += ["", *_section(each, document["packaging"][name], document["planned_families"][name])]
    return "\n".join(lines) + "\n"


def _about_host(document: Mapping[str, Any]) -> str:
    if failure := document["failure"]:
        return f"The host was not reached: {failure['message']} [{failure['code']}]"
    platform, probe = document["platform"], document["probe"] or {}
    facts = (
        (platform.get("os_id"), platform.get("os_version")),
        (platform.get("machine"),),
        (probe.get("package_manager"),),
        ("Python", probe.get("python")),
        ("user", probe.get("user")),
        (probe.get("free_bytes"), "bytes free"),
        (probe.get("memory_bytes"), "bytes of memory"),
    )
    known = (fact for fact in facts if None not in fact)
    return ", ".join(" ".join(str(part) for part in fact) for fact in known) + "."


def _section(
    readiness: Mapping[str, Any], decision: Mapping[str, Any], planned: list[Mapping[str, Any]]
) -> list[str]:
    lines = [
        f"## {readiness['adapter']}",
        "",
        f"`{readiness['status']} ({readiness['status_basis']})`: {readiness['message']}",
        "",
        f"- Bundle: {_bundle(decision['chosen'])}",
        f"- Expected: {_expected(readiness)}",
        f"- Needs: {_needs(readiness)}",
    ]
    if readiness["install_command"]:
        lines.append(f"- Install: `{readiness['install_command']}`")
    if readiness["bootstrap"]:
        lines.append(f"- The run installs by itself, by role: {', '.join(readiness['bootstrap'])}")
    lines.append(f"- Next: {_next(readiness)}")
    if readiness["commands"]:
        lines += [
            "",
            "### Commands",
            "",
            *_table(("command", "package", "needed", "found"), _commands(readiness)),
        ]
    rejected = [each for each in decision["candidates"] if not each["accepted"]]
    if rejected:
        rows = ((each["path"], each["source"], each["reason"], each["detail"] or "") for each in rejected)
        lines += [
            "",
            "### Bundles that are not used",
            "",
            *_table(("bundle", "source", "reason", "why"), rows),
        ]
    if planned:
        runs = (
            (each["family"], each["summary"], str(len(each["executions"])), f"{each['time_limit_s']:g}")
            for each in planned
        )
        lines += [
            "",
            "### Planned families",
            "",
            *_table(("family", "what it is", "runs", "limit in s"), runs),
        ]
    return lines


def _bundle(chosen: Mapping[str, Any] | None) -> str:
    if chosen is None:
        return "none"
    made = _MADE.get(chosen["cost"]["build"])
    size = made or f"{chosen['size']} bytes, {chosen['unpacked_size']} unpacked"
    version = f" {chosen['version']}" if chosen["version"] else ""
    return f"`{chosen['path']}`{version}, from {chosen['source']}, {size}"


def _expected(readiness: Mapping[str, Any]) -> str:
    if readiness["predicted_status"] is None:
        return "nothing, since no earlier preflight of this host is kept"
    return f"`{readiness['predicted_status']} ({readiness['predicted_status_basis']})`, by the last preflight"


def _needs(readiness: Mapping[str, Any]) -> str:
    needs = readiness["requirements"]
    parts = [f"{needs['disk_bytes']} bytes of disk"]
    if needs["memory_bytes"]:
        parts.append(f"{needs['memory_bytes']} bytes of memory")
    if needs["root"]:
        parts.append("root")
    if readiness["capabilities"]:
        parts.append(f"a bundle with {', '.join(readiness['capabilities'])}")
    return ", ".join(parts)


def _commands(readiness: Mapping[str, Any]) -> Iterable[tuple[str, ...]]:
    for each in readiness["commands"]:
        needed = "required" if each["required"] else "optional"
        if each["bootstrap"]:
            needed += f", else by the role {each['bootstrap']}"
        found = each["found"] or ("missing" if each["checked"] else "not looked for")
        yield each["command"], each["package"], needed, found


def _next(readiness: Mapping[str, Any]) -> str:
    if readiness["failure_code"]:
        return f"`{readiness['next_command']}`"
    if readiness["status"] == states.BOOTSTRAP_REQUIRED:
        return f"run; it begins with the role {', '.join(readiness['bootstrap'])}"
    return "run"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table; text from elsewhere cannot break out of its cell."""
    return [
        f"| {' | '.join(columns)} |",
        "|" + "---|" * len(columns),
        *(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows),
    ]


def _cell(text: Any) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")
