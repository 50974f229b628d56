# SPDX-License-Identifier: Apache-2.0
"""The document and the text of a pull request."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rackbench.errors import RackbenchError
from rackbench.ledger.state import RunState, fold
from rackbench.models.publish_payload import Provenance
from rackbench.models.pull_request import PullRequestDocument
from rackbench.publish import pull_request
from rackbench.publish.forge import Forge
from rackbench.publish.payload import Payload, PayloadFile
from rackbench.publish.target import Target

from tests.standins.github.server import LONGEST_BODY
from tests.unit.ledger.samples import whole_run

DIGEST, SHA, BASE = "ab" * 32, "1" * 40, "2" * 40
GITHUB = Forge("github", "github.com", "lab/latency-results")
HOSTILE = [
    "@octocat",
    "#1",
    "GH-1",
    "lab/r#1",
    "fixes #1",
    "0123456789abcdef0123456789abcdef01234567",
    "<img src=x onerror=alert(1)>",
    "<!--",
    "](http://evil.example)",
    "![x](http://evil.example/x.png)",
    "https://evil.example",
    "www.evil.example",
    "me@evil.example",
    "a|b",
    "\\|",
    "\\",
    "`",
    "``",
    "`@octocat`",
    "```\n# x\n```",
    "\n\n# heading\n",
    "\r",
    "\n/close\n",
    "|\n| --- |\n",
    "\x1b[31mred\x1b[0m",
    "\x9b31m",
    "\x00",
    "\u2028",
    "\u202edesrever",
    "\u200b",
    "&lt;b&gt;",
    "&#64;octocat",
    ":smile:",
    "$`x`$",
    "~~x~~",
    "*x*",
    "[[_TOC_]]",
    "- [ ] x",
    "",
    " ",
]


def target(**changes: Any) -> Target:
    """Return a publish target."""
    fields: dict[str, Any] = {
        "key": "latency",
        "repo": Path("/srv/latency-results"),
        "remote": "origin",
        "remote_url": None,
        "base_branch": "main",
        "directory": "results",
        "forge": None,
        "push_local": True,
        "create_pr_local": False,
    }
    return Target(**{**fields, **changes})


def provenance(text: str = "x", value: Any = 61.5, *, times: int = 1) -> Provenance:
    """Return the provenance of a run in which everything that can be a text of somebody else's is `text`."""
    execution = {
        "execution": text,
        "family": text,
        "repeat": 1,
        "outcome": "passed",
        "status": text,
        "started_at": text,
        "duration_s": 3.0,
        "verdict": "suspect",
        "reasons": [text, text] * times,
        "unknown": [text],
        "headline": [{"label": text, "value": value, "unit": text}] * times,
    }
    return Provenance.model_validate(
        {
            "schema": Provenance.schema_name(),
            "run_id": text,
            "host": text,
            "label": text,
            "tags": [text] * times,
            "started_at": text,
            "adapter": text,
            "benchmark": {"name": text, "version": text},
            "families": [text],
            "executions": [execution] * times,
            "bundle": {
                "name": text,
                "version": text,
                "sha256": DIGEST,
                "platform": text,
                "signature": "required",
            },
            "platform": {
                "machine": text,
                "cpu_model": text,
                "sockets": 2,
                "cpus": 128,
                "virtual": text,
                "memory_bytes": 2**36,
                "os": text,
                "os_id": text,
                "os_version": text,
                "kernel": text,
            },
            "versions": {"ansible_core": text, "rackbench": text},
            "noise": {"state": text, "settings": {f"{number}": text for number in range(times)}},
            "files": [],
        }
    )


def files(text: str = "x", *, times: int = 1) -> tuple[PayloadFile, ...]:
    """Return files with such a path."""
    return (PayloadFile(text, 1234, DIGEST, 2),) * times


def staged(folder: Path, content: Any = None) -> Payload:
    """Return a payload with the provenance of one run."""
    folder.mkdir()
    told = content if content is not None else provenance().model_dump(by_alias=True)
    (folder / "provenance.json").write_text(json.dumps(told))
    return Payload(folder, folder.with_name("manifest.json"), files("latency.full.1/result.json"), DIGEST)


@pytest.fixture
def state() -> RunState:
    """Return the state of a whole run."""
    return fold(whole_run())


def shape(text: str) -> list[tuple[str, str]]:
    """Return what a text of Markdown becomes: each part's kind, and its content, unless it is a piece of code."""
    parts = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text):
        parts.append((token.type, ""))
        parts += [
            (child.type, "" if child.type == "code_inline" else child.content)
            for child in token.children or ()
        ]
    return parts


def test_the_text_tells_what_ran_where_how_well_and_of_what() -> None:
    told = provenance()
    told.adapter, told.host, told.run_id = "latency", "thor", "20261121T080000Z-thor"
    told.platform.cpu_model = "AMD EPYC 9755"
    told.executions[0].reasons = ["Other processes kept 1.64 CPUs busy, more than 0.5."]
    text = pull_request.body(told, files("latency.full.1/result.json"), SHA, BASE)
    for each in (
        "Results of `latency` on `thor`, run `20261121T080000Z-thor`.",
        "`AMD EPYC 9755`",
        "2 sockets, 128 logical CPUs",
        "64 GiB",
        "- `x`: `Other processes kept 1.64 CPUs busy, more than 0.5.`",
        "| `x` | `x` | 61.5 | `x` |",
        f"SHA-256 `{DIGEST}`",
        f"- Commit `{SHA}` on `{BASE}`",
        f"| `latency.full.1/result.json` | 1234 | 2 | `{DIGEST}` |",
    ):
        assert each in text


@given(st.one_of(st.sampled_from(HOSTILE), st.text(), st.lists(st.sampled_from(HOSTILE)).map("".join)))
@example("|" * 200)
@example("`" * 200)
@example("x" * 159 + "\\")
def test_no_text_of_somebody_else_becomes_more_than_code(text: str) -> None:
    harmless = pull_request.body(provenance("x", "x"), files(), SHA, BASE)
    # Something must be left of it to be shown.
    text = f"{text}x"
    hostile = pull_request.body(provenance(text, text), files(text), SHA, BASE)
    assert shape(hostile) == shape(harmless)
    # Whoever reads Markdown in another way: outside of code there is nothing of it either.
    assert re.sub("`[^`]*`", "``", hostile) == re.sub("`[^`]*`", "``", harmless)
    assert all(each.isprintable() or each == "\n" for each in hostile)
    assert "|" not in "".join(re.findall("`([^`]*)`", hostile))


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_a_text_of_which_nothing_is_left_is_a_dash(text: str) -> None:
    assert "``" not in pull_request.body(provenance(text, text), files(text), SHA, BASE)


@pytest.mark.parametrize("value", [True, None, [1, "`@x`"], {"a": "|"}, "\ud800", 10**400, 1e308])
def test_a_value_that_is_no_usual_number_does_no_harm(value: Any) -> None:
    text = pull_request.body(provenance("x", value), files(), SHA, BASE)
    assert len(text.encode()) > 0
    assert re.sub("`[^`]*`", "", text).count("|") == re.sub(
        "`[^`]*`", "", pull_request.body(provenance(), files(), SHA, BASE)
    ).count("|")


@pytest.mark.parametrize("text", ["x" * 5000, "`|" * 5000, "\N{SNOWMAN}" * 5000])
def test_a_run_with_very_much_in_it_has_a_text_that_github_takes(text: str) -> None:
    written = pull_request.body(provenance(text, text, times=80), files(text, times=500), SHA, BASE)
    assert len(written) <= LONGEST_BODY
    assert re.search(r"… and \d+ more\.", written)


def test_the_document_has_all_that_a_pull_request_needs(state: RunState, tmp_path: Path) -> None:
    document = pull_request.manifest(state, "latency", target(), staged(tmp_path / "p"), SHA, BASE, GITHUB)
    PullRequestDocument.model_validate(document)
    branch = "results/thor/20261121T080000Z-thor/latency"
    assert document["title"] == "Results of latency on thor, run 20261121T080000Z-thor"
    assert (document["head"], document["base"]) == (branch, "main")
    assert (document["commit"], document["base_commit"]) == (SHA, BASE)
    assert document["directory"] == branch
    assert (
        document["compare_url"] == f"https://github.com/lab/latency-results/compare/main...{branch}?expand=1"
    )
    argv = document["gh_command"]["argv"]
    assert argv[:5] == ["gh", "pr", "create", "--repo", "lab/latency-results"]
    assert argv[-1] == "publish-staging/latency/latency/pull-request.md"
    assert shlex.split(document["gh_command"]["text"]) == argv


def test_the_same_payload_gives_the_same_document(state: RunState, tmp_path: Path) -> None:
    one, two = (
        pull_request.manifest(state, "latency", target(), staged(tmp_path / name), SHA, BASE, GITHUB)
        for name in ("one", "two")
    )
    assert one == two
    assert str(tmp_path) not in json.dumps(one)


@pytest.mark.parametrize(
    ("forge", "repository"),
    [
        (None, None),
        (Forge("gitlab", "gitlab.com", "lab/r"), None),
        (Forge("plain", "git.lab", "r"), None),
        (Forge("github", "ghe.lab.example", "lab/r"), "ghe.lab.example/lab/r"),
    ],
)
def test_only_github_has_a_command(
    state: RunState, tmp_path: Path, forge: Forge | None, repository: str | None
) -> None:
    document = pull_request.manifest(state, "latency", target(), staged(tmp_path / "p"), SHA, BASE, forge)
    PullRequestDocument.model_validate(document)
    command = document["gh_command"]
    assert (command["argv"][4] if command else None) == repository
    assert (document["compare_url"] is None) == (forge is None)


def test_a_title_links_and_mentions_nothing(tmp_path: Path) -> None:
    records = whole_run()
    records[0]["host"] = "<b>@octocat #1`x`\n\x1b[0m" + "y" * 300
    document = pull_request.manifest(
        fold(records), "latency", target(), staged(tmp_path / "p"), SHA, BASE, None
    )
    assert not set(document["title"]) & set("@#<>`\n\x1b[]|&")
    assert len(document["title"]) <= 256


def test_both_files_are_written_beside_the_payload(state: RunState, tmp_path: Path) -> None:
    document = pull_request.manifest(state, "latency", target(), staged(tmp_path / "p"), SHA, BASE, GITHUB)
    for _ in range(2):
        as_json, as_text = pull_request.write(tmp_path, "latency", "latency", document)
    assert as_json == tmp_path / "publish-staging/latency/latency/pull-request.json"
    assert json.loads(as_json.read_text()) == document
    assert as_text.read_text() == document["body"]


@pytest.mark.parametrize("content", [[], {"schema": "rackbench.provenance/1.0"}, "x"])
def test_a_provenance_that_is_none_is_named(state: RunState, tmp_path: Path, content: Any) -> None:
    payload = staged(tmp_path / "p", content)
    with pytest.raises(RackbenchError, match=r"provenance\.json") as caught:
        pull_request.manifest(state, "latency", target(), payload, SHA, BASE, None)
    assert caught.value.code == "publish_payload_changed"


def test_a_provenance_that_is_a_pipe_is_waited_for_by_nobody(state: RunState, tmp_path: Path) -> None:
    payload = staged(tmp_path / "p")
    (payload.directory / "provenance.json").unlink()
    os.mkfifo(payload.directory / "provenance.json")
    with pytest.raises(RackbenchError, match="it is no regular file") as caught:
        pull_request.manifest(state, "latency", target(), payload, SHA, BASE, None)
    assert caught.value.code == "publish_payload_changed"
