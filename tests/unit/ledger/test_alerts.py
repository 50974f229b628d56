# SPDX-License-Identifier: Apache-2.0
"""The rules of alerts: each is found when it should be and not otherwise, with commands that exist; they decide."""

from __future__ import annotations

import copy
import re
import shlex
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench import clock
from rackbench.cli.main import build_parser
from rackbench.errors import FAILURES
from rackbench.ledger import alerts, projections
from rackbench.ledger.state import fold
from rackbench.models.run_documents import AlertKind, Alerts

from tests.unit.ledger.samples import NOW, RUN_DIR, START, Script, failed_run, opened, whole_run

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/reference/alerts.md").read_text()
RESUME = f"rackbench resume --run-dir {RUN_DIR}"
RECOVER = f"rackbench recover --run-dir {RUN_DIR}"
STATUS = f"rackbench status --run-dir {RUN_DIR}"
VALIDATE = "rackbench validate --host thor --scope"
EXECUTION = "latency.smoke.1"
LATER = START + timedelta(hours=1)


def begun(**changes: Any) -> Script:
    """Return a run that was opened."""
    return Script().add("run.opened", **opened(**changes))


def failed(code: str, step: str = "latency.execute", **failure: Any) -> Script:
    """Return a run one step of which failed."""
    return begun().step(step, "failed", failure={"code": code, "message": "No.", **failure})


def closed(script: Script, outcome: str = "completed", exit_status: int | None = 0) -> Script:
    """Close a run."""
    return script.add("run.closed", outcome=outcome, failed_steps=[], exit_status=exit_status)


def recovered(script: Script, **fields: Any) -> Script:
    """Recover a run."""
    whole = {"by": "op", "lease": "released", "noise": "absent", "jobs": {}, "rebuilt": [], "not_rebuilt": []}
    return script.add("run.recovered", **{**whole, **fields})


def running(script: Script, *, warmup: bool = False) -> Script:
    """Let an execution run."""
    script.add("step.began", step="latency.execute")
    return script.add(
        "execution.began", execution=EXECUTION, adapter="latency", family="smoke", repeat=1, warmup=warmup
    )


def judged(verdict: str, *, warmup: bool = False) -> Script:
    """Return a completed run whose execution has a verdict."""
    script = begun()
    if warmup:
        script = begun(executions={"latency": [{"execution_id": EXECUTION, "family": "smoke", "repeat": 1,
                                                "warmup": True}]})  # fmt: skip
    running(script, warmup=warmup)
    script.add("verdict", execution=EXECUTION, verdict=verdict, reasons=["load 9"], unknown=[], inputs={})
    script.add("execution.ended", execution=EXECUTION, outcome="passed", rc=0, duration_s=1.0)
    script.add(
        "result", adapter="latency", execution=EXECUTION, family="smoke", repeat=1, warmup=warmup, status="passed",
        metrics=[], headline=[], path="x",
    )  # fmt: skip
    script.add("step.ended", step="latency.execute", state="completed")
    return closed(script)


def of(script: Script, **changes: Any) -> dict[str, Any]:
    """Return the alerts block of a run."""
    situation = alerts.Situation(**{"state": fold(script.records), "now": NOW, **changes})
    block = alerts.alerts_block(situation, lambda _path: True)
    Alerts.model_validate(block)
    return block


def stopping() -> Script:
    """Return a run that somebody asked to stop."""
    return begun().add("control", id="c1", action="stop", by="op@c1", reason="enough", requested_at=None)


TORN = alerts.Health(torn=True)

# For each kind a run that has it, what is known beside the journal, its code, and the commands that are shown.
CASES: list[tuple[str, Callable[[], Script], dict[str, Any], str, list[str]]] = [
    (
        "ledger_damaged",
        Script,
        {"run_dir": "here"},
        "ledger_unreadable",
        ["rackbench recover --run-dir here"],
    ),
    ("ledger_damaged", lambda: closed(begun()), {"health": TORN}, "ledger_damaged", [RECOVER]),
    (
        "ledger_damaged",
        lambda: closed(begun()),
        {"health": alerts.Health(bad_lines=(3, 4))},
        "ledger_damaged",
        [RECOVER],
    ),
    (
        "ledger_damaged",
        lambda: recovered(closed(begun()), not_rebuilt=["The results."]),
        {},
        "ledger_damaged",
        [STATUS],
    ),
    ("interrupted", begun, {"alive": False}, "interrupted", [RESUME]),
    (
        "stop_unanswered",
        stopping,
        {"now": LATER},
        "stop_unanswered",
        [f"{VALIDATE} connectivity", RECOVER],
    ),
    (
        "lease_held",
        lambda: failed("lease_held", "host.discover"),
        {},
        "lease_held",
        ["rackbench lease list --host thor", f"{RESUME} --wait"],
    ),
    (
        "lease_held",
        lambda: failed("lease_lost"),
        {},
        "lease_lost",
        ["rackbench lease list --host thor", f"{RESUME} --wait"],
    ),
    ("failed_step", lambda: failed("execution_timed_out"), {}, "execution_timed_out", [RESUME]),
    (
        "failed_step",
        lambda: failed("host_unreachable", "latency.collect"),
        {},
        "host_unreachable",
        [f"{VALIDATE} connectivity", RESUME],
    ),
    (
        "failed_step",
        lambda: failed("play_ended_early", "host.discover"),
        {},
        "play_ended_early",
        [f"{VALIDATE} connectivity", RESUME],
    ),
    (
        "failed_step",
        lambda: failed("packaging_blocked", "latency.stage"),
        {},
        "packaging_blocked",
        [f"{VALIDATE} staging", RESUME],
    ),
    (
        "failed_step",
        lambda: failed("root_required", "latency.stage"),
        {},
        "root_required",
        [f"{VALIDATE} all", RESUME],
    ),
    (
        "failed_step",
        lambda: failed("store_full", next_command="rackbench bundle prune --host thor"),
        {},
        "store_full",
        ["rackbench bundle prune --host thor", RESUME],
    ),
    (
        "failed_step",
        lambda: failed("execution_failed", next_command=STATUS),
        {},
        "execution_failed",
        [RESUME],
    ),
    (
        "failed_step",
        lambda: failed("runtime_missing", "host.preflight"),
        {},
        "runtime_missing",
        [f"{VALIDATE} all", RESUME],
    ),
    ("stalled_phase", lambda: running(begun()), {"now": LATER}, "stalled", [f"{VALIDATE} connectivity"]),
    ("left_behind", lambda: closed(begun().add("lease", state="taken")), {}, "left_behind", [RECOVER]),
    ("left_behind", lambda: closed(begun().add("lease", state="stolen")), {}, "left_behind", [RECOVER]),
    (
        "left_behind",
        lambda: closed(begun().add("noise", state="disturbed", settings={})),
        {},
        "left_behind",
        [RECOVER],
    ),
    ("left_behind", lambda: closed(running(begun())), {}, "left_behind", [RECOVER]),
    ("left_behind", lambda: recovered(begun(), lease="unreachable"), {}, "left_behind", [RECOVER]),
    (
        "left_behind",
        lambda: closed(failed("left_behind", "host.finalize", next_command=RECOVER), "failed", 3),
        {},
        "left_behind",
        [RECOVER],
    ),
    (
        "left_behind",
        lambda: recovered(running(begun()), jobs={EXECUTION: "unreachable"}),
        {},
        "left_behind",
        [RECOVER],
    ),
    (
        "blocked_publish",
        lambda: begun().add("publish", adapter="latency", state="remote_missing", reason="No origin."),
        {},
        "publish_blocked",
        [
            "rackbench validate --host thor --scope publish --benchmarks latency",
            f"rackbench publish --run-dir {RUN_DIR}",
        ],
    ),
    (
        "disturbed",
        lambda: judged("suspect"),
        {},
        "execution_disturbed",
        [f"rackbench rerun --run-dir {RUN_DIR} --family latency:smoke"],
    ),
    (
        "disturbed",
        lambda: judged("void"),
        {},
        "execution_disturbed",
        [f"rackbench rerun --run-dir {RUN_DIR} --family latency:smoke"],
    ),
    (
        "ledger_incomplete",
        lambda: closed(begun()).add("ledger.incomplete", expected={}, seen={}),
        {},
        "ledger_incomplete",
        [RECOVER],
    ),
]
QUIET: dict[str, tuple[Callable[[], Script], dict[str, Any]]] = {
    "a good run": (lambda: closed(begun()), {}),
    "a running one": (begun, {"alive": True}),
    "a running one whose controller cannot be asked": (begun, {"alive": None}),
    "a torn line that its controller is writing": (begun, {"health": TORN}),
    "a stop that was asked for a moment ago": (stopping, {"now": START + timedelta(seconds=30)}),
    "a cancelled one": (
        lambda: closed(failed("run_cancelled"), "cancelled", 130),
        {},
    ),
    "a step that the stop ended": (
        lambda: stopping().step("latency.execute", "failed", failure={"code": "run_cancelled"}),
        {},
    ),
    "a lease that was given back": (
        lambda: closed(begun().add("lease", state="taken").add("lease", state="released")),
        {},
    ),
    "a lease that another one took": (lambda: closed(begun().add("lease", state="lost")), {}),
    "a lease that is in use": (lambda: begun().add("lease", state="taken"), {}),
    "noise settings that were put back": (
        lambda: closed(begun().add("noise", state="verified", settings={}).add("noise", state="restored", settings={})),
        {},
    ),
    "noise settings that were only looked at": (
        lambda: closed(begun().add("noise", state="observed", settings={})),
        {},
    ),
    "a recovered one": (
        lambda: closed(recovered(running(begun().add("lease", state="taken"))), "cancelled", 130),
        {},
    ),
    "what a recovered one could not give back before": (
        lambda: recovered(closed(failed("left_behind", "host.finalize").add("lease", state="taken"), "failed", 3)),
        {},
    ),
    "bad lines of a recovered one": (
        lambda: closed(recovered(begun()), "cancelled", 130),
        {"health": alerts.Health(bad_lines=(3,))},
    ),
    "a valid execution": (lambda: judged("valid"), {}),
    "a warm-up that was disturbed": (lambda: judged("void", warmup=True), {}),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "run", "known", "code", "commands"), CASES)
def test_each_kind_is_found_with_its_commands(
    kind: str, run: Callable[[], Script], known: dict[str, Any], code: str, commands: list[str]
) -> None:
    block = of(run(), **known)
    assert [(item["kind"], item["code"]) for item in block["items"]] == [(kind, code)]
    assert block["items"][0]["next_commands"] == commands
    assert block["primary"] == block["items"][0]


@pytest.mark.parametrize("name", QUIET)
def test_what_needs_nobody_is_no_alert(name: str) -> None:
    run, known = QUIET[name]
    assert of(run(), **known)["items"] == []


def test_every_kind_has_a_case_here_and_stands_in_the_model() -> None:
    kinds = {rule.kind for rule in alerts.RULES}
    assert {case[0] for case in CASES} == kinds == set(get_args(AlertKind))


def parse(command: str) -> None:
    """Read a command as `rackbench` would. Raises what it raises for one that it does not understand."""
    words = shlex.split(command)
    assert words[0] == "rackbench"
    build_parser([words[1]]).parse_args(words[1:])


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[3]}")
def test_every_command_that_is_shown_is_understood(case: Any) -> None:
    block = of(case[1](), **case[2])
    for command in (*block["next_commands"], *block["next_diagnostic_commands"]):
        parse(command)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[3]}")
def test_each_singular_is_the_first_of_its_list(case: Any) -> None:
    for item in of(case[1](), **case[2])["items"]:
        for name in ("action", "command", "path", "install_command", "diagnostic_command"):
            values = item[f"next_{name}s"]
            assert item[f"next_{name}"] == (values[0] if values else None)


# Exit codes


@pytest.mark.parametrize("rule", alerts.RULES, ids=lambda rule: rule.code)
def test_the_code_of_each_rule_and_remedy_is_in_the_table_of_failures(rule: alerts.Rule) -> None:
    assert rule.code in FAILURES
    for remedy in alerts.REMEDIES:
        assert remedy.codes <= FAILURES.keys()
    assert FAILURES.keys() >= alerts.LEASE_CODES


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[3]}")
def test_the_exit_status_is_that_of_the_code_where_the_rule_decides(case: Any) -> None:
    kind, run, known, code, _commands = case
    state = fold(run().records)
    situation = alerts.Situation(**{"state": state, "now": NOW, **known})
    decides = any(rule.kind == kind and rule.code in {code, "task_failed", "lease_held"} and rule.decides
                  for rule in alerts.RULES)  # fmt: skip
    status = alerts.exit_status(situation)
    if situation.name in {"running", "cancelling"}:
        assert status is None
    else:
        assert status == (FAILURES[code].exit_status if decides else 0)


@pytest.mark.parametrize(
    ("run", "status"),
    [
        (lambda: closed(begun()), 0),
        (lambda: closed(stopping(), "cancelled", 130), 130),
        (lambda: closed(stopping(), "cancelled", None), 130),
        (lambda: closed(failed("execution_failed"), "failed", 1), 1),
        (lambda: closed(failed("execution_failed"), "failed", None), 1),
        (lambda: closed(failed("execution_failed").add("lease", state="taken"), "failed", 1), 3),
        # The steps that failed are lost, and what they came to is not.
        (lambda: closed(begun(), "failed", 3), 3),
        (lambda: closed(failed("execution_failed"), "failed", 1).add("ledger.incomplete", expected={}), 4),
        (lambda: failed("no_such_code", "latency.stage").add("run.closed", outcome="failed", failed_steps=[]), 4),
    ],
)  # fmt: skip
def test_the_exit_status_of_a_run_is_the_highest_of_what_decides(
    run: Callable[[], Script], status: int
) -> None:
    document = projections.status_document(fold(run().records), NOW)
    assert document["exit_status"] == status
    assert projections.run_manifest(fold(run().records))["exit_status"] == status


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(
    st.integers(min_value=0), st.sampled_from([whole_run, failed_run]), st.sampled_from([True, False, None])
)
def test_the_rules_are_pure_and_agree_with_the_status_document(
    length: int, run: Callable[[], list[dict[str, Any]]], alive: bool | None
) -> None:
    records = run()
    state = fold(records[: length % (len(records) + 1)])
    before = copy.deepcopy(state)
    situation = alerts.Situation(state, NOW, alive=alive)
    block = alerts.alerts_block(situation)
    assert alerts.alerts_block(situation) == block
    assert state == before
    document = projections.status_document(state, NOW, alive=alive)
    assert document["alerts"] == block
    assert document["exit_status"] == alerts.exit_status(situation)
    if block["primary"] is None:
        assert document["exit_status"] in {0, None}


# Order, paths, words


def test_what_stands_in_the_way_of_all_the_rest_comes_first() -> None:
    script = judged("suspect")
    script.records.pop()
    script.step("latency.collect", "failed", failure={"code": "results_changed", "message": "No."})
    closed(script.add("lease", state="taken"), "failed", 1).add("ledger.incomplete", expected={}, seen={})
    kinds = [item["kind"] for item in of(script, health=TORN)["items"]]
    assert kinds == ["failed_step", "left_behind", "disturbed", "ledger_damaged", "ledger_incomplete"]


def test_steps_that_only_follow_a_failure_are_no_alert() -> None:
    script = failed("execution_failed")
    script.add(
        "step.ended",
        step="host.finalize",
        state="skipped",
        failure={"code": "steps_failed", "message": "x"},
    )
    assert [item["step"] for item in of(script)["items"]] == ["latency.execute"]


def test_only_paths_that_exist_are_named_artifacts_and_publish_manifests_before_ledgers() -> None:
    script = begun().add("step.began", step="latency.publish")
    script.add(
        "artifact",
        path="logs/push.log",
        bytes=1,
        sha256="ab" * 32,
        artifact_kind="log",
        step="latency.publish",
        publishable=False,
    )
    script.add("step.ended", step="latency.publish", state="failed",
               failure={"code": "publish_blocked", "message": "No.", "next_path": f"{RUN_DIR}/own"})  # fmt: skip
    state = fold(script.records)
    every = ["own", "logs/push.log", "publish-staging/latency/latency/pull-request.json",
             "publish-staging/latency/latency/manifest.json", "publish_ledger.json",
             "state/steps/latency.publish.json", "command_ledger.jsonl", "events.jsonl"]  # fmt: skip
    situation = alerts.Situation(state, NOW)
    for missing in every:
        there = [path for path in every if path != missing]
        assert alerts.alerts_block(situation, there.__contains__)["next_paths"] == there[:5]


@pytest.mark.parametrize(
    ("install", "command"),
    [
        (
            "apt-get install --yes hwloc-nox",
            "ansible thor -m ansible.builtin.command -a 'apt-get install --yes hwloc-nox'",
        ),
        (
            "sudo apt-get install --yes hwloc-nox",
            "ansible thor --become -m ansible.builtin.command -a 'apt-get install --yes hwloc-nox'",
        ),
    ],
)
def test_a_missing_command_is_installed_on_the_host_and_not_where_the_line_is_pasted(
    install: str, command: str
) -> None:
    script = begun()
    script.add(
        "readiness", adapter="latency", status="runtime_missing", missing=["lstopo"], install_command=install
    )
    script.step(
        "latency.stage",
        "failed",
        failure={"code": "runtime_missing", "message": "No.", "next_command": install},
    )
    (item,) = of(script)["items"]
    assert item["next_install_commands"] == [install]
    assert item["next_commands"] == [command, RESUME]
    assert item["next_actions"] == [FAILURES["runtime_missing"].next_step, "Then resume the run."]


def test_an_inventory_that_was_named_is_named_again_for_what_does_not_know_the_run() -> None:
    own = "rackbench validate --host thor --scope staging"
    script = begun(inventory={"sources": ["/lab/of mine"], "named": ["of mine"]})
    script.step("host.discover", "failed", failure={"code": "hop_unreachable", "message": "No."})
    script.step(
        "latency.stage",
        "failed",
        failure={"code": "packaging_blocked", "message": "No.", "next_command": own},
    )
    assert of(script)["next_commands"] == [
        f"{VALIDATE} connectivity -i 'of mine'",
        RESUME,
        f"{own} -i 'of mine'",
    ]


def test_a_dry_run_is_made_again_and_not_resumed() -> None:
    script = begun(check=True)
    script.step("latency.stage", "failed", failure={"code": "execution_failed", "message": "No."})
    assert of(script)["next_commands"] == ["rackbench run --host thor --benchmarks latency --check"]


def test_a_run_whose_opening_is_lost_is_named_by_where_it_was_found() -> None:
    script = Script().add("step.began", step="host.discover")
    block = of(script, alive=False, run_dir="/there/my runs")
    assert block["next_commands"] == ["rackbench resume --run-dir '/there/my runs'"]
    # What needs the host cannot be told.
    script.step("latency.collect", "failed", failure={"code": "host_unreachable", "message": "No."})
    assert of(script, run_dir="there")["items"][0]["next_commands"] == ["rackbench resume --run-dir there"]


def test_a_job_that_a_lost_connection_left_is_told_beside_the_failure() -> None:
    script = running(begun().add("lease", state="taken"))
    script.add(
        "step.ended",
        step="latency.execute",
        state="failed",
        failure={"code": "host_unreachable", "message": "No."},
    )
    first, second = of(closed(script, "failed", 3))["items"]
    assert (first["kind"], second["kind"]) == ("failed_step", "left_behind")
    assert "the lease" in second["message"]
    assert EXECUTION in second["message"]


def test_the_heartbeat_of_a_stalled_phase_is_the_first_path() -> None:
    state = fold(running(begun()).records)
    now = clock.parse_utc(str((state.last or {})["at"])) + timedelta(minutes=10)
    block = alerts.alerts_block(alerts.Situation(state, now), lambda _path: True)
    assert block["primary"]["next_path"] == f"state/live/{EXECUTION}.json"


# The page


def table_of(title: str) -> list[list[str]]:
    """Return the cells of the table below a heading of the page."""
    section = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in rows[1:]]


def code_names(cell: str) -> list[str]:
    """Return what stands in backquotes."""
    return re.findall(r"`([^`]+)`", cell)


def test_the_page_has_every_rule_in_its_order() -> None:
    expected = [
        [rule.kind, rule.code, rule.when, list(rule.commands), "yes" if rule.decides else "no"]
        for rule in alerts.RULES
    ]
    found = []
    for kind, code, when, commands, decides in table_of("Rules"):
        found.append([code_names(kind)[0], code_names(code)[0], when, code_names(commands), decides])
    assert found == expected


def test_the_page_has_every_remedy() -> None:
    expected = [[sorted(remedy.codes), list(remedy.commands)] for remedy in alerts.REMEDIES]
    expected += [[["host.discover"], list(alerts.DISCOVER_REMEDY)], [[], list(alerts.OTHER_REMEDY)]]
    found = [[code_names(codes), code_names(commands)] for codes, commands in table_of("Failed steps")]
    assert found == expected


def test_the_page_has_every_command() -> None:
    written = {code_names(name)[0]: code_names(command)[0] for name, command in table_of("Commands")}
    letters = {
        "{host}": "H",
        "{run_dir}": "D",
        "{family}": "A:F",
        "{install}": "'...'",
        "{benchmarks}": "[--benchmarks B]",
        "{inventories}": "[-i I]",
        "{become}": "[--become]",
    }
    assert written == {
        name: " ".join(letters.get(part, part) for part in parts) for name, parts in alerts.COMMANDS.items()
    }
