# SPDX-License-Identifier: Apache-2.0
"""The report of a preflight: `summary.json` for machines, and the same as `summary.md` for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rackbench.bundles.decision import ON_CONTROLLER, ON_TARGET
from rackbench.models.preflight import Preflight
from rackbench.readiness import states
from rackbench.topology import cpulist
from rackbench.words import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rackbench.adapters.plan import Plan
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
    plan: Plan,
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
        "planned_families": {name: planned_families(plan, name) for name in plan.families},
        "unavailable_families": {
            name: [family.as_dict() for family in missing]
            for name, missing in plan.unavailable.items()
            if missing
        },
    }


def planned_families(plan: Plan, adapter: str) -> list[dict[str, Any]]:
    """Return the families that a plan's executions of an adapter belong to."""
    executions = plan.executions.get(adapter, ())
    return [
        {
            "family": family.name,
            "summary": family.summary,
            "time_limit_s": family.time_limit_s,
            "executions": [str(each["execution_id"]) for each in executions if each["family"] == family.name],
            "cpus": cpulist.text(family.cpus) if family.cpus is not None else None,
            "agents": len(family.groups) if family.groups is not None else None,
        }
        for family in plan.families[adapter]
    ]


def summary(document: Mapping[str, Any]) -> str:
    """Return a report as Markdown."""
    lines = [f"# Preflight of {document['host']}", "", one_line(_about_host(document)), ""]
    lines += _table(
        ("benchmark", "state", "basis", "what next"),
        (
            (each["adapter"], each["status"], each["status_basis"], _next(each))
            for each in document["readiness"]
        ),
    )
    for each in document["readiness"]:
        name = each["adapter"]
        missing = document["unavailable_families"].get(name, ())
        lines += [
            "",
            *_section(each, document["packaging"][name], document["planned_families"][name], missing),
        ]
    return printable("\n".join(lines) + "\n")


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
    readiness: Mapping[str, Any],
    decision: Mapping[str, Any],
    planned: Sequence[Mapping[str, Any]],
    unavailable: Sequence[Mapping[str, Any]],
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
            (
                each["family"],
                each["summary"],
                str(len(each["executions"])),
                each["cpus"] or "all",
                f"{each['time_limit_s']:g}",
            )
            for each in planned
        )
        lines += [
            "",
            "### Planned families",
            "",
            *_table(("family", "what it is", "runs", "CPUs", "limit in s"), runs),
        ]
    if unavailable:
        causes = ((each["family"], each["reason"], each["code"]) for each in unavailable)
        lines += [
            "",
            "### Families that the host cannot run",
            "",
            *_table(("family", "why", "code"), causes),
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
