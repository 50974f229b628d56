# SPDX-License-Identifier: Apache-2.0
"""The validation report: one document for the command line and for the playbook, as data and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rackbench.clock import utc_now, utc_text
from rackbench.errors import FAILURES, GOOD, OUR_FAULT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SCHEMA = "rackbench.validation/1.2"
SCOPES = ("connectivity", "staging", "publish", "all")
# What is said to have failed when the way to a host is good.
STAGING, PUBLISH = "staging", "publish"


def staging(preflight: Mapping[str, Any], evidence: str | None) -> dict[str, Any]:
    """Return the `staging` block of a host from a preflight report, be it of a host that was asked or only foreseen.

    `evidence` is the path of the report for which the host was asked.
    """
    failure = preflight.get("failure")
    return {
        "ok": not any(item["failure_code"] for item in preflight["readiness"]),
        # A host that could not be used: what was in the way, beside what is known of it.
        "failure": {**failure, "next_step": FAILURES[failure["code"]].next_step} if failure else None,
        "evidence": evidence,
        "platform": dict(preflight["platform"]) or None,
        "benchmarks": [
            {
                "benchmark": item["adapter"],
                "families": preflight["planned_families"][item["adapter"]],
                # Reports of earlier versions do not have them.
                "unavailable_families": preflight.get("unavailable_families", {}).get(item["adapter"], []),
                "readiness": dict(item),
                "packaging": preflight["packaging"][item["adapter"]],
            }
            for item in preflight["readiness"]
        ],
    }


def not_staged(failure: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `staging` block of a host of which nothing can be said, and why."""
    return {"ok": False, "failure": dict(failure), "evidence": None, "platform": None, "benchmarks": []}


def finding(
    probed: Mapping[str, Any],
    staged: Mapping[str, Any] | None,
    published: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what stands in the report of one host: how it is reached, and its `staging` and `publish` blocks."""
    item = {
        **probed,
        "staging": dict(staged) if staged is not None else None,
        "publish": dict(published) if published is not None else None,
    }
    if item["ok"] and staged is not None and not staged["ok"]:
        code = next(_staging_codes(staged))
        item.update(ok=False, failed_at=item["host"], cause=STAGING, code=code)
    if item["ok"] and published is not None and not published["ok"]:
        code = next(_publish_codes(published))
        item.update(ok=False, failed_at=item["host"], cause=PUBLISH, code=code)
    return item


def report(scope: str, findings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the document around the findings for each host."""
    return {
        "schema": SCHEMA,
        "at": utc_text(utc_now()),
        "scope": scope,
        "ok": all(item["ok"] for item in findings),
        "hosts": [dict(item) for item in findings],
    }


def exit_status(document: Mapping[str, Any]) -> int:
    """Return what `rackbench validate` exits with: the gravest of all that was found."""
    codes = [
        code
        for host in document["hosts"]
        if not host["ok"]
        for code in (
            host["code"],
            *_staging_codes(host["staging"] or {}),
            *_publish_codes(host["publish"] or {}),
        )
    ]
    return max(
        (FAILURES[code].exit_status if code in FAILURES else OUR_FAULT for code in codes), default=GOOD
    )


def text(document: Mapping[str, Any]) -> list[str]:
    """Return the report as lines for people: a heading for each host, and lines for each thing that was looked at."""
    return [
        line
        for host in document["hosts"]
        for line in (_headline(host), *_checks(host), *_staged(host), *_published(host))
    ]


def _staging_codes(staged: Mapping[str, Any]) -> Iterator[str]:
    if staged.get("failure"):
        yield staged["failure"]["code"]
    for item in staged.get("benchmarks") or ():
        if item["readiness"]["failure_code"]:
            yield item["readiness"]["failure_code"]


def _publish_codes(published: Mapping[str, Any]) -> Iterator[str]:
    if published.get("failure"):
        yield published["failure"]["code"]
    for check in _publish_checks(published):
        if check["status"] == "failed" and check["required"]:
            yield check["code"]


def _publish_checks(published: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from published.get("checks") or ()
    for item in published.get("benchmarks") or ():
        yield from item["checks"]


def _headline(host: Mapping[str, Any]) -> str:
    way = " -> ".join(host["route"])
    if host["ok"]:
        return (
            f"{host['host']}: ok in {host['duration_s']:.2f} s ({way})"
            if host["checks"]
            else f"{host['host']}: ok"
        )
    return f"{host['host']}: failed at {host['failed_at']}: {host['cause']} ({way})"


def _checks(host: Mapping[str, Any]) -> Iterator[str]:
    for check in host["checks"]:
        note = f"  {check['message']}" if check.get("message") else ""
        state = check["status"] if check["required"] or check["status"] != "failed" else "not there"
        yield f"  {check['name']:<7} {check['at']:<16} {state:<9} {check['duration_s']:>6.2f} s{note}"
        if check["status"] == "failed" and check["required"]:
            yield f"  {'next':<7} {check['next_step']} [{check['code']}]"


def _staged(host: Mapping[str, Any]) -> Iterator[str]:
    staged = host["staging"]
    if staged is None:
        return
    yield from _failure(staged["failure"])
    for item in staged["benchmarks"]:
        yield from _benchmark(item)
    if staged["evidence"]:
        yield f"  seen in {staged['evidence']}"


def _failure(failure: Mapping[str, Any] | None) -> Iterator[str]:
    if failure:
        yield f"  {failure['message']} [{failure['code']}]"
        yield from _indented((("next", failure.get("next_step")), ("run", failure.get("next_command"))), 2)


def _benchmark(item: Mapping[str, Any]) -> Iterator[str]:
    readiness = item["readiness"]
    chosen = item["packaging"]["chosen"]
    code = readiness["failure_code"]
    marked = f" [{code}]" if code else ""
    yield f"  {item['benchmark']:<16} {readiness['status']} ({readiness['status_basis']}){marked}"
    expected = [
        f"{command['command']} ({command['package']})"
        for command in readiness["commands"]
        if command["required"] and not command["checked"]
    ]
    install, run = readiness["install_command"], readiness["next_command"]
    yield from _indented(
        (
            ("why", readiness["message"]),
            ("bundle", f"{chosen['path']} {chosen['version'] or ''}".rstrip() if chosen else None),
            ("families", ", ".join(each["family"] for each in item["families"])),
            ("basis", readiness["readiness_basis"].replace("_", " ")),
            ("expects", ", ".join(expected)),
            ("install", install),
            ("run", run if run != install else None),
        ),
        4,
    )


def _published(host: Mapping[str, Any]) -> Iterator[str]:
    published = host["publish"]
    if published is None:
        return
    if host["staging"] is None:
        # With it, it is told already.
        yield from _failure(published["failure"])
    for check in published["checks"]:
        yield from _publish_check(check, 2)
    for item in published["benchmarks"]:
        where = "" if item["configured"] else "  not configured"
        yield f"  {item['benchmark']:<16} publish target {item['target']}{where}"
        for check in item["checks"]:
            yield from _publish_check(check, 4)


def _publish_check(check: Mapping[str, Any], by: int) -> Iterator[str]:
    state = check["status"] if check["required"] or check["status"] != "failed" else "not there"
    yield f"{' ' * by}{check['name']:<11} {state:<9} {check['message'] or ''}".rstrip()
    if check["status"] == "failed":
        yield f"{' ' * by}{'next':<11} {check['next_step']} [{check['code']}]"
        yield from _indented((("run", check["next_command"]),), by)


def _indented(pairs: Sequence[tuple[str, str | None]], by: int) -> Iterator[str]:
    for label, words in pairs:
        if words:
            yield f"{' ' * by}{label:<8} {words}"
