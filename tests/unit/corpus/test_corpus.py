# SPDX-License-Identifier: Apache-2.0
"""A whole corpus: depth, trust, inventory, what is read again, and the tables that docs and code share."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.cli.main import main
from rackbench.corpus import _reference, cache, scan, trust
from rackbench.corpus.checks import CHECKS
from rackbench.corpus.validate import check_corpus, validate
from rackbench.models.corpus import CorpusInventory, CorpusValidation
from rackbench.models.submission import SubmissionBundle

from tests.unit.corpus.samples import DATA, OWN, another, bundle, codes, report, with_manifest, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[3]


def corpus(tmp_path: Path, platforms: Sequence[str] = ("DuckDB", "SQLite", "DataFusion")) -> Path:
    """Make a corpus with an inventory."""
    tmp_path.mkdir(parents=True, exist_ok=True)
    for number, platform in enumerate(platforms):
        with_manifest(another(number, tmp_path / "bundles", platform))
    assert main(["corpus", "inventory", "--write", str(tmp_path)]) == 0
    return tmp_path


def compared(root: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    """Return what `corpus inventory --check` says."""
    capsys.readouterr()
    status = main(["corpus", "inventory", "--check", str(root), "--json", *options])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert status == (0 if document["ok"] else 1)
    return document


def test_a_cohort_of_two_platforms_is_refused_and_one_of_three_is_taken(tmp_path: Path) -> None:
    corpus(tmp_path, ["DuckDB", "SQLite"])
    assert codes(tmp_path, depth=3) == {"cohort_partial"}
    shutil.rmtree(tmp_path / "bundles")
    corpus(tmp_path)
    assert codes(tmp_path, depth=3) == set()
    another(9, tmp_path / "bundles", "DuckDB", scale=10)
    assert "cohort_partial" in codes(tmp_path, depth=3)


@pytest.mark.parametrize(
    "spelling", ["PG DuckDB", "pg_duckdb", "pg - duckdb", "PG\u00a0Duckdb", "\uff50\uff47-duckdb"]
)
def test_another_spelling_is_no_other_platform(spelling: str, tmp_path: Path) -> None:
    corpus(tmp_path, ["pg-duckdb", "DuckDB"])
    document = bundle(platform={"name": spelling})
    document["run"]["id"] = "0000000a"
    write(tmp_path / "bundles", document, "ssb_sf001_pg_0000000a.json")
    assert codes(tmp_path / "bundles", depth=3) == {"cohort_partial", "inventory_drift"}


def test_scales_that_nearly_agree_are_two_cohorts(tmp_path: Path) -> None:
    for number, (platform, scale) in enumerate([("DuckDB", 1), ("SQLite", 1.0), ("DataFusion", 1.0000001)]):
        another(number, tmp_path, platform, scale)
    assert [one.scale for one in report(tmp_path).cohorts] == ["1", "1.0000001"]
    assert codes(tmp_path, depth=3) == {"cohort_partial"}


def test_a_bundle_with_errors_does_not_make_a_cohort_deep(tmp_path: Path) -> None:
    corpus(tmp_path)
    path = another(2, tmp_path / "bundles", "DataFusion")
    path.write_text(path.read_text().replace('"passed"', '"failed"', 1))
    assert "cohort_partial" in codes(tmp_path, depth=3)


def test_our_own_results_have_no_scale_and_need_no_others(tmp_path: Path) -> None:
    path = write(tmp_path, OWN, "latency_0123456789abcdef.json")
    assert validate([tmp_path]).ok
    assert main(["corpus", "validate", str(path)]) == 0


def test_our_own_sample_fits_its_model() -> None:
    SubmissionBundle.model_validate(OWN)


@pytest.mark.parametrize("source", [None, "internal", "community", "vendor", "Vendor", "maintainer", "", 5])
@pytest.mark.parametrize("place", ["", "vendor", "maintainer", "vendors", "community"])
@pytest.mark.parametrize("has_manifest", [True, False])
def test_no_label_is_had_by_declaring_it_or_by_place_alone(
    source: object, place: str, *, has_manifest: bool
) -> None:
    label = trust.label(source, (place,), has_manifest=has_manifest)
    if has_manifest:
        wanted = {("vendor", "vendor"): trust.VENDOR, ("internal", "maintainer"): trust.MAINTAINER}
        assert label == wanted.get((source, place), trust.COMMUNITY)  # type: ignore[arg-type]
    else:
        assert label == (trust.COMMUNITY if place == "vendor" else trust.MAINTAINER)
    assert trust.is_ranked(label) == (label != trust.COMMUNITY)


def test_a_vendor_is_one_only_below_its_directory(tmp_path: Path) -> None:
    inside, outside = another(1, tmp_path / "vendor"), another(2, tmp_path)
    for path in (inside, outside):
        with_manifest(path, result_source="vendor")
    found = {one.path: one for one in report(tmp_path).bundles}
    assert found[str(inside)].label == trust.VENDOR
    assert found[str(inside)].ok
    assert found[str(outside)].label == trust.COMMUNITY
    assert [finding.code for finding in found[str(outside)].findings] == ["vendor_place"]


def test_a_directory_above_the_corpus_makes_nobody_a_vendor(tmp_path: Path) -> None:
    root = corpus(tmp_path / "vendor" / "clone")
    path = another(9, root / "bundles")
    with_manifest(path, result_source="vendor")
    for found in (report(root), report(path)):
        (one,) = [one for one in found.bundles if one.path == str(path)]
        assert (one.label, one.ok) == (trust.COMMUNITY, False)
    # Of a part of the corpus the same is said.
    inside = another(10, root / "bundles" / "vendor")
    with_manifest(inside, result_source="vendor")
    for found in (report(root), report(root / "bundles" / "vendor"), report(inside)):
        assert [one.label for one in found.bundles if one.path == str(inside)] == [trust.VENDOR]


def test_what_benchbox_packaged_is_taken_as_it_lies(tmp_path: Path) -> None:
    path = another(1, tmp_path / "bundle")
    manifest = with_manifest(path)
    manifest.rename(tmp_path / manifest.name)
    (tmp_path / "CONTRIBUTING.md").write_text("{")
    for found in (report(tmp_path, require_manifest=True), report(path, require_manifest=True)):
        assert found.ok
        assert [one.label for one in found.bundles] == [trust.COMMUNITY]
    path.write_text(path.read_text() + "\n")
    assert "hash_mismatch" in codes(path)


def test_the_inventory_names_added_removed_and_changed_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = corpus(tmp_path)
    assert compared(root, capsys)["ok"]
    names = sorted(path.name for path in (root / "bundles").iterdir())
    (root / "bundles" / names[0]).unlink()
    changed = root / "bundles" / names[2]
    changed.write_text(changed.read_text() + "\n")
    new = another(7, root / "bundles")
    found = compared(root, capsys)
    assert found["added"] == [f"bundles/{new.name}"]
    assert found["removed"] == [f"bundles/{names[0]}"]
    assert found["changed"] == [f"bundles/{names[2]}"]
    for path in (root, root / "bundles"):
        assert "inventory_drift" in codes(path)
    assert main(["corpus", "inventory", "--write", str(root)]) == 0
    assert compared(root, capsys)["ok"]


def test_a_changed_manifest_changes_the_row_of_its_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = corpus(tmp_path)
    manifest = next((root / "bundles").glob("*.manifest.json"))
    manifest.unlink()
    found = compared(root, capsys)
    assert found["removed"] == [f"bundles/{manifest.name}"]
    # Without its manifest a bundle would be trusted more.
    assert found["changed"] == [f"bundles/{manifest.name.replace('.manifest', '')}"]


def test_the_inventory_is_the_same_when_nothing_changed(tmp_path: Path) -> None:
    root = corpus(tmp_path)
    before = (root / "corpus-inventory.json").read_bytes()
    CorpusInventory.model_validate_json(before)
    assert main(["corpus", "inventory", "--write", str(root)]) == 0
    assert (root / "corpus-inventory.json").read_bytes() == before


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"schema": "rackbench.corpus-inventory/2.0"}', '{"bundles": []}', "[" * 100_000,
     '{"schema": "rackbench.corpus-inventory/1.0", "bundles": [1], "files": {}}',
     '{"schema": "rackbench.corpus-inventory/1.0", "bundles": [], "files": {"../a.json": null}}'],
)  # fmt: skip
def test_an_inventory_that_cannot_be_used_is_named(content: str, tmp_path: Path) -> None:
    root = corpus(tmp_path)
    (root / "corpus-inventory.json").write_text(content)
    assert codes(root) == {"inventory_invalid"}
    assert main(["corpus", "inventory", "--check", str(root)]) == 1
    assert main(["corpus", "inventory", "--write", str(root)]) == 0
    assert codes(root) == set()


def _more_files(said: dict[str, Any]) -> None:
    said["files"]["elsewhere/made_up.json"] = "0" * 64


def _a_row_for_nothing(said: dict[str, Any]) -> None:
    said["bundles"].append({**said["bundles"][0], "path": "elsewhere/made_up.json"})


def _a_row_twice(said: dict[str, Any]) -> None:
    said["bundles"].insert(0, {**said["bundles"][0], "trust": "maintainer-run"})


def _another_time(said: dict[str, Any]) -> None:
    said["generated_at"] = "<b>now</b>"


def _other_counts(said: dict[str, Any]) -> None:
    said["counts"]["bundles"] = 10_000


def _other_cohorts(said: dict[str, Any]) -> None:
    said["cohorts"][0]["platforms"].append("oracle")


def _something_more(said: dict[str, Any]) -> None:
    said["note"] = "x"


FORGED: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "a file outside of bundles/": (_more_files, "inventory_drift"),
    "a row outside of bundles/": (_a_row_for_nothing, "inventory_drift"),
    "a row that stands twice": (_a_row_twice, "inventory_invalid"),
    "a time that is none": (_another_time, "inventory_invalid"),
    "other counts": (_other_counts, "inventory_false"),
    "other cohorts": (_other_cohorts, "inventory_false"),
    "something more": (_something_more, "inventory_false"),
}


@pytest.mark.parametrize(("forge", "code"), FORGED.values(), ids=FORGED)
def test_a_forged_inventory_is_told_also_through_its_bundles(
    forge: Callable[[dict[str, Any]], None], code: str, tmp_path: Path
) -> None:
    root = corpus(tmp_path)
    inventory = root / "corpus-inventory.json"
    said = json.loads(inventory.read_text())
    forge(said)
    inventory.write_text(json.dumps(said))
    for path in (root, root / "bundles"):
        assert codes(path) == {code}
    assert main(["corpus", "inventory", "--check", str(root)]) == 1
    assert main(["corpus", "inventory", "--write", str(root)]) == 0
    assert codes(root / "bundles") == set()


def test_an_inventory_inside_of_another_ones_directory_hides_nothing(tmp_path: Path) -> None:
    root = corpus(tmp_path)
    another(9, root / "bundles")
    assert main(["corpus", "inventory", "--write", str(root / "bundles")]) == 0
    for path in (root, root / "bundles"):
        assert codes(path) == {"inventory_nested", "inventory_drift"}


def test_the_inventory_of_a_corpus_below_the_directory_is_compared(tmp_path: Path) -> None:
    root = corpus(tmp_path / "results-data")
    assert codes(tmp_path) == set()
    another(9, root / "bundles")
    assert codes(tmp_path) == {"inventory_drift"}


def test_a_missing_inventory_is_an_error_where_one_is_required(tmp_path: Path) -> None:
    root = corpus(tmp_path)
    (root / "bundles" / "extra").mkdir()
    for path in (root, root / "bundles"):
        assert codes(path, require_inventory=True) == set()
    (root / "corpus-inventory.json").unlink()
    for path in (root, root / "bundles"):
        assert codes(path) == set()
        assert codes(path, require_inventory=True) == {"inventory_missing"}
    assert main(["corpus", "validate", "--require-inventory", str(root)]) == 1


def test_a_directory_that_is_a_link_is_not_checked_in_the_place_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus(tmp_path / "other")
    (tmp_path / "results-data").mkdir()
    (tmp_path / "results-data" / "bundles").symlink_to("../other/bundles")
    (tmp_path / "linked").symlink_to("other")
    assert codes(tmp_path / "results-data" / "bundles") == {"file_is_link"}
    assert main(["corpus", "inventory", "--check", str(tmp_path / "linked")]) != 0
    monkeypatch.chdir(tmp_path)
    assert codes(Path("linked/bundles")) == {"file_is_link"}
    assert codes(Path("other/bundles")) == set()


def test_an_inventory_of_another_case_is_no_inventory(tmp_path: Path) -> None:
    root = corpus(tmp_path)
    write(root / "bundles", b"{", "Corpus-Inventory.json")
    assert {"file_name_invalid", "not_utf8", "unknown_format", "not_json"} & codes(root)


@pytest.mark.parametrize(
    "place", ["x/vendor", "bundles/x/vendor", "bundles/bundles/vendor", "vendor2/vendor"]
)
def test_a_vendor_directory_anywhere_deeper_makes_nobody_a_vendor(place: str, tmp_path: Path) -> None:
    root = corpus(tmp_path)
    path = another(9, root / place)
    with_manifest(path, result_source="vendor")
    for found in (report(root), report(path)):
        (one,) = [one for one in found.bundles if one.path == str(path)]
        assert one.label == trust.COMMUNITY
        assert "vendor_place" in {finding.code for finding in one.findings}
    maintainers = another(10, root / place.replace("vendor", "maintainer"))
    with_manifest(maintainers, result_source="internal")
    assert [one.label for one in report(maintainers).bundles] == [trust.COMMUNITY]


def test_the_top_of_the_corpus_is_where_its_outermost_inventory_is(tmp_path: Path) -> None:
    root = corpus(tmp_path)
    path = another(9, root / "bundles" / "x" / "vendor")
    with_manifest(path, result_source="vendor")
    assert main(["corpus", "inventory", "--write", str(root / "bundles" / "x")]) == 0
    assert [one.label for one in report(path).bundles] == [trust.COMMUNITY]


def test_files_that_are_named_list_their_directory_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = corpus(tmp_path)
    listed = []
    really = Path.iterdir

    def listing(path: Path) -> Iterator[Path]:
        listed.append(path)
        return really(path)

    monkeypatch.setattr(Path, "iterdir", listing)
    found = validate(sorted((root / "bundles").glob("ssb*.json")), require_manifest=True)
    assert found.ok
    assert len(found.files) == 6
    assert listed.count(root / "bundles") <= 1


def test_progress_is_told_with_few_files_too(tmp_path: Path) -> None:
    root = corpus(tmp_path)
    told: list[tuple[int, int]] = []
    validate([root], full=True, progress=lambda done, everything: told.append((done, everything)))
    assert told == [(6, 6)]


def test_after_one_change_one_file_is_read(tmp_path: Path) -> None:
    root = corpus(tmp_path)
    validate([root])
    assert validate([root]).read == 0
    path = next(path for path in (root / "bundles").iterdir() if ".manifest" not in path.name)
    path.write_text(path.read_text() + "\n")
    found = validate([root])
    assert found.read == 1
    assert not found.ok
    assert validate([root], full=True).read == 6
    # What was kept says the same as what is read.
    assert [str(one) for one in validate([root]).findings()] == [str(one) for one in found.findings()]


def test_a_time_that_was_set_back_hides_no_change(tmp_path: Path) -> None:
    root = corpus(tmp_path)
    path = next((root / "bundles").glob("*.manifest.json"))
    before = path.stat()
    assert validate([root], depth=0).ok
    path.write_text(path.read_text().replace("2026-11-21T08", "2026-11-22T09"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert validate([root], depth=0).read == 1


def test_full_believes_nothing_that_was_kept(tmp_path: Path) -> None:
    root = corpus(tmp_path)
    kept = cache.cache_path(root)
    content = json.loads(kept.read_text())
    name = next(iter(content["files"]))
    content["files"][name][4] = [["simulated", {}]]
    kept.write_text(json.dumps(content))
    assert "simulated" in codes(root)
    assert codes(root, full=True) == set()


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"schema": 1}'])
def test_a_damaged_cache_is_none(content: str, tmp_path: Path) -> None:
    root = corpus(tmp_path)
    cache.cache_path(root).write_text(content)
    assert validate([root]).read == 6


def test_many_files_are_read_by_several_processes_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = corpus(tmp_path)
    bad = write(root / "bundles", b"{", "ssb_bad.json")
    alone = check_corpus(root, full=True)
    told = []
    monkeypatch.setattr(scan, "_ALONE", 1)
    monkeypatch.setattr(scan, "_CHUNK", 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    together = check_corpus(
        root, full=True, progress=lambda done, everything: told.append((done, everything))
    )
    assert together == alone
    assert f"bundles/{bad.name}" in together
    assert told[-1] == (7, 7)


def test_hidden_files_and_others_are_left_alone(tmp_path: Path) -> None:
    root = corpus(tmp_path)
    write(root / ".git", b"{", "x.json")
    write(root, b"{", ".hidden.json")
    write(root, b"{", "README.md")
    assert codes(root) == set()


def test_the_answer_fits_its_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, b"{", "bad.json")
    write(tmp_path, bundle())
    assert main(["corpus", "validate", str(tmp_path), "--json"]) == 1
    found = CorpusValidation.model_validate_json(capsys.readouterr().out)
    assert found.counts.bundles == 2
    assert {row.path.rpartition("/")[2]: row.ok for row in found.files} == {
        "bad.json": False,
        "ssb_sf001_duckdb_sql_20261121_030014_057fbabf.json": True,
    }
    assert [row.code for row in found.corpus] == ["cohort_partial"]


def test_real_results_are_taken_and_unofficial_ones_are_not() -> None:
    found = {
        Path(one.path).name.partition("_")[0]: one for one in report(DATA).bundles if "failed" not in one.path
    }
    assert {name: one.ok for name, one in found.items()} == {"ssb": True, "amplab": True, "tpch": False}
    assert [finding.code for finding in found["tpch"].findings] == ["not_official"]


def test_the_documentation_has_every_check_in_the_words_of_the_code() -> None:
    page = (ROOT / "docs/reference/corpus.md").read_text()
    assert page == _reference.filled(page), "call python -m rackbench.corpus._reference"


def test_every_check_says_what_to_do() -> None:
    for code, check in CHECKS.items():
        assert check.level in {"error", "warning"}
        assert check.says.endswith((".", "?")), code
        assert check.reply.endswith("."), code
