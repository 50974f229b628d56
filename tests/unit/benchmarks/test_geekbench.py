# SPDX-License-Identifier: Apache-2.0
"""Tests of the wrapper for Geekbench, by running it as a target does, with the stand-in in place of Geekbench."""

from __future__ import annotations

import ast
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench.adapters.catalog import read_adapter
from rackbench.adapters.results import read_result, summarise
from rackbench.adapters.settings import configured
from rackbench.errors import FAILURES, RackbenchError

from tests.standins.geekbench.archive import (
    CLAIM_KEY,
    LICENCE,
    LICENCE_WORDS,
    VERSIONS,
    make_archive,
    make_install,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
BENCH = ROOT / "benchmarks" / "geekbench"
# Generous: it only bounds a test that would otherwise never end.
PATIENCE_S = 300


@pytest.fixture(name="module", scope="module")
def fixture_module() -> Iterator[Callable[[str], Any]]:
    sys.path.insert(0, str(BENCH))
    yield lambda name: importlib.import_module(f"geekbench_run.{name}")
    sys.path.remove(str(BENCH))
    for name in [name for name in sys.modules if name.partition(".")[0] == "geekbench_run"]:
        del sys.modules[name]


@dataclass
class Job:
    """A job directory as the target has it."""

    place: Path
    install: Path

    @property
    def out(self) -> Path:
        """Where the benchmark writes."""
        return self.place / "out"

    def make(
        self, *, licence: bytes | None = None, attached: bool = False, **parameters: Any
    ) -> list[str | Path]:
        """Make the directory and return the command of the job."""
        self.out.mkdir(parents=True)
        document = {
            "schema": "rackbench.job/1.0",
            "run_id": "20261121T080000Z-thor",
            "execution_id": "geekbench.cpu.1",
            "adapter": "geekbench",
            "family": "cpu",
            "repeat": 1,
            "parameters": {"install": None if attached else str(self.install), **parameters},
            "cpus": None,
            "time_limit_s": 600,
        }
        if attached:
            document["attachments"] = {"archive": {"path": str(self.install), "sha256": "a" * 64}}
        if licence is not None:
            (self.place / "private").mkdir(mode=0o700)
            (self.place / "private/licence").write_bytes(licence)
        (self.place / "job.json").write_text(json.dumps(document))
        return [BENCH / "bin/run", "--config", self.place / "job.json", "--out", self.out]

    def run(self, **options: Any) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
        """Run the job to its end; return the process and its result.json."""
        done = subprocess.run(
            self.make(**options), capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        return done, self.result()

    def result(self) -> dict[str, Any]:
        """Return result.json, which must keep its contract."""
        read_result(self.out / "result.json")
        document: dict[str, Any] = json.loads((self.out / "result.json").read_text())
        return document

    def texts(self) -> dict[str, str]:
        """Return what is in the files for everybody."""
        return {
            path.name: path.read_text()
            for path in self.out.rglob("*")
            if path.is_file() and path.parent.name != "private"
        }


@pytest.fixture(name="job")
def fixture_job(tmp_path: Path) -> Callable[..., Job]:
    def make(version: int = 6, mode: str = "tryout") -> Job:
        return Job(tmp_path / "job", make_install(tmp_path / "install", version, mode))

    return make


@pytest.mark.parametrize("version", sorted(VERSIONS))
@pytest.mark.parametrize("mode", ["tryout", "preview"])
def test_a_free_edition_gives_a_link_and_keeps_the_claim_for_its_owner(
    job: Callable[..., Job], version: int, mode: str
) -> None:
    made = job(version, mode)
    done, result = made.run()
    assert (done.returncode, result["status"], result["simulated"]) == (0, "passed", True)
    assert result["facts"]["version"] == VERSIONS[version]
    assert result["facts"]["edition"] == mode
    assert result["facts"]["result_url"] == f"https://browser.geekbench.com/v{version}/cpu/900000000000001"
    claim = made.out / "private/claim_url.txt"
    assert claim.read_text().splitlines()[0] == f"{result['facts']['result_url']}/claim?key={CLAIM_KEY}"
    assert claim.stat().st_mode & 0o777 == 0o600
    assert claim.parent.stat().st_mode & 0o777 == 0o700
    # A digest of the link alone would tell its key.
    assert len(claim.read_text().splitlines()[1]) >= 32
    for text in (*made.texts().values(), done.stdout, done.stderr):
        assert CLAIM_KEY not in text
    assert "claim[redacted]" in made.texts()["geekbench.txt"]


@pytest.mark.parametrize("version", sorted(VERSIONS))
def test_with_a_licence_there_are_scores_and_nothing_of_the_licence_is_left(
    job: Callable[..., Job], version: int
) -> None:
    made = job(version, "pro")
    done, result = made.run(licence=LICENCE)
    assert (done.returncode, result["status"], result["facts"]["edition"]) == (0, "passed", "pro")
    adapter = read_adapter(ROOT / "roles/geekbench/adapter.yml")
    _metrics, headline = summarise(read_result(made.out / "result.json"), adapter)
    assert [row["value"] for row in headline] == [2000, 8000]
    subscores = [each["labels"] for each in result["metrics"] if each["name"] == "subscore"]
    assert {"section": "multi_core", "workload": "Navigation"} in subscores
    assert json.loads(made.texts()["geekbench.json"])["score"] == 2000
    assert not (made.place / "private/work").exists()
    for text in (*made.texts().values(), done.stdout, done.stderr):
        assert not [word for word in LICENCE_WORDS if word in text]


def test_a_licensed_run_that_must_not_upload_has_no_link(job: Callable[..., Job]) -> None:
    made = job(6, "pro")
    done, result = made.run(licence=LICENCE, upload=False)
    assert (done.returncode, result["status"], result["facts"]["result_url"]) == (0, "passed", None)
    assert not (made.out / "private").exists()


def test_an_install_that_is_unlocked_needs_no_other_licence(job: Callable[..., Job]) -> None:
    made = job(6, "pro")
    (made.install / "Geekbench 6.preferences").write_bytes(LICENCE)
    _done, result = made.run(upload=False, section="multi")
    scores = [each["labels"]["section"] for each in result["metrics"] if each["name"] == "score"]
    assert (result["status"], scores) == ("passed", ["multi_core"])


def test_an_attached_archive_goes_before_an_install_and_is_named_by_its_digest(
    job: Callable[..., Job], tmp_path: Path
) -> None:
    made = job()
    (tmp_path / "unpacked").mkdir()
    made.install = made.install.rename(tmp_path / "unpacked/Geekbench-6.5.0-Linux").parent
    _done, result = made.run(attached=True)
    assert (result["status"], result["facts"]["archive_sha256"]) == ("passed", "a" * 64)


def test_of_an_install_with_several_versions_the_newest_runs_unless_one_is_named(
    job: Callable[..., Job], tmp_path: Path
) -> None:
    made = job(7)
    made.install.rename(tmp_path / "all-7")
    make_install(tmp_path / "all/five", 5)
    (tmp_path / "all-7").rename(tmp_path / "all/seven")
    newest = Job(tmp_path / "newest", tmp_path / "all").run()[1]
    named = Job(tmp_path / "named", tmp_path / "all").run(version=5)[1]
    assert (newest["facts"]["version"], named["facts"]["version"]) == ("7.0.0", "5.5.1")


@pytest.mark.parametrize(
    ("mode", "options", "status", "code"),
    [
        ("upload-failure", {}, "partial", "upload_refused"),
        ("truncated", {}, "partial", "result_truncated"),
        ("truncated", {"licence": LICENCE}, "partial", "result_truncated"),
        ("switch-refused", {"licence": LICENCE}, "failed", "licence_refused"),
        ("pro", {"licence": b"key=another one"}, "failed", "licence_refused"),
        ("tryout", {"upload": False}, "failed", "licence_required"),
        ("preview", {"section": "single"}, "failed", "licence_required"),
        ("tryout", {"version": 5}, "failed", "attachment_unfit"),
    ],
)
def test_what_goes_wrong_is_named_although_geekbench_exits_with_0(
    job: Callable[..., Job], mode: str, options: dict[str, Any], status: str, code: str
) -> None:
    made = job(6, mode)
    done, result = made.run(**options)
    assert done.returncode in {1, 3}
    assert (result["status"], result["failure"]["code"]) == (status, code)
    assert code in FAILURES
    assert result["failure"]["message"].rstrip() in done.stderr
    assert not (made.place / "private/work").exists()
    if status == "partial":
        begun = [each for each in result["metrics"] if each["name"] == "workloads_begun"]
        assert begun[0]["samples"][0] > 0


def test_an_upload_that_fails_with_a_licence_keeps_the_scores(job: Callable[..., Job]) -> None:
    made = job(6, "upload-failure")
    _done, result = made.run(licence=LICENCE)
    assert (result["status"], result["failure"]["code"]) == ("partial", "upload_refused")
    assert [each["samples"] for each in result["metrics"] if each["name"] == "score"] == [[8000], [2000]]


def test_one_that_hangs_and_is_asked_to_end_keeps_what_it_has_as_partial(job: Callable[..., Job]) -> None:
    made = job(6, "hang")
    process = subprocess.Popen(made.make(licence=LICENCE), start_new_session=True, stderr=subprocess.PIPE)
    deadline = time.monotonic() + PATIENCE_S
    transcript = made.out / "geekbench.txt"
    while "Multi-Core\n  Running File Compression\n  Running Nav" not in (
        transcript.read_text() if transcript.exists() else ""
    ):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # The licence is in the private copy only, which nobody else may enter.
    assert (made.place / "private/work").stat().st_mode & 0o777 == 0o700
    assert (made.place / "private/work/Geekbench 6.preferences").stat().st_mode & 0o777 == 0o600
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 1
    assert not (made.place / "private/work").exists()
    result = made.result()
    assert (result["status"], result["failure"]["code"]) == ("partial", "result_truncated")
    assert "after Navigation began" in result["failure"]["message"]
    assert result["facts"]["workloads"]["multi_core"] == ["File Compression", "Navigation"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"section": "gpu"},
        {"upload": "no"},
        {"version": 4},
        {"version": True},
        {"install": 7},
        {"install": ""},
    ],
    ids=str,
)
def test_parameters_that_cannot_be_used_end_with_2(
    job: Callable[..., Job], parameters: dict[str, Any]
) -> None:
    done = subprocess.run(job().make(**parameters), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("geekbench: ")


@pytest.mark.parametrize("version", [4, "newest", 6.5])
def test_a_version_that_there_is_not_is_refused_before_a_run_begins(version: Any) -> None:
    adapter = read_adapter(ROOT / "roles/geekbench/adapter.yml")
    with pytest.raises(RackbenchError, match=r"geekbench\.version must be one of 5, 6, 7, and is"):
        configured(adapter, {"version": version})
    for known in (None, 7):
        assert configured(adapter, {"version": known}).families[0].parameters["version"] == known


def test_a_directory_without_geekbench_is_named(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    done, result = Job(tmp_path / "job", tmp_path / "other").run()
    assert (done.returncode, result["failure"]["code"]) == (3, "attachment_unfit")
    assert str(tmp_path / "other") in result["failure"]["message"]


def test_nothing_that_is_there_is_changed(job: Callable[..., Job]) -> None:
    made = job(6, "pro")
    before = {path.name: path.read_bytes() for path in made.install.iterdir()}
    made.run(licence=LICENCE)
    assert {path.name: path.read_bytes() for path in made.install.iterdir()} == before


def test_the_archive_of_the_stand_in_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    first, second = make_archive(tmp_path / "a"), make_archive(tmp_path / "b")
    assert first.name == "Geekbench-6.5.0-Linux.tar.gz"
    assert first.read_bytes() == second.read_bytes()


LINES = [
    "Geekbench 6.5.0 : https://www.geekbench.com/",
    "Single-Core",
    "  Running Navigation",
    "Multi-Core",
    "  Running Navigation",
    "Uploading results to the Geekbench Browser. This could take a minute or two ",
    "depending on the speed of your internet connection.",
    "",
    "Upload succeeded. Visit the following link and view your results online:",
    "",
    "  https://browser.geekbench.com/v6/cpu/13890045",
    "",
    "Visit the following link and add this result to your profile:",
    "",
    "  https://browser.geekbench.com/v6/cpu/13890045/claim?key=354758",
]


@given(end=st.integers(0, len(LINES)), noise=st.lists(st.text(max_size=40), max_size=4))
def test_an_output_that_ends_anywhere_before_the_link_has_no_link(
    module: Callable[[str], Any], end: int, noise: list[str]
) -> None:
    output = module("output").Output()
    for line in [*LINES[:end], *noise]:
        output.take(line)
    link = "https://browser.geekbench.com/v6/cpu/13890045"
    assert output.result_url == (link if end > 10 else None)
    assert output.claim_url == (f"{link}/claim?key=354758" if end == len(LINES) else None)
    assert output.begun == sum(line.startswith("  Running") for line in LINES[:end])


@pytest.mark.parametrize(
    ("line", "version", "edition", "licensed"),
    [
        ("Geekbench 4.0.1 Tryout : http://www.geekbench.com/", "4.0.1", "Tryout", False),
        ("Geekbench 6.2.2 : https://www.geekbench.com/", "6.2.2", "", False),
        ("Geekbench 6.3.0 Preview : https://www.geekbench.com/", "6.3.0", "Preview", False),
        ("Geekbench 6.2.2 Corporate : https://www.geekbench.com/", "6.2.2", "Corporate", True),
        ("Geekbench 7.0.0 Pro : https://www.geekbench.com/", "7.0.0", "Pro", True),
        ("Geekbench 6 requires an active internet connection", None, "", False),
    ],
)
def test_the_first_line_tells_version_and_edition(
    module: Callable[[str], Any], line: str, version: str | None, edition: str, *, licensed: bool
) -> None:
    output = module("output").Output()
    output.take(line)
    assert (output.version, output.edition, output.licensed) == (version, edition, licensed)


def test_a_failed_upload_as_recorded_is_no_link(module: Callable[[str], Any]) -> None:
    output = module("output").Output()
    for line in [*LINES[:8], " unknown error (internal code 35)"]:
        output.take(line)
    assert (output.result_url, output.upload_problem) == (None, "unknown error (internal code 35)")


@given(
    before=st.text(),
    key=st.from_regex(r"\d{6,12}", fullmatch=True),
    after=st.sampled_from(["", '"', "\n", " x"]),
)
def test_no_text_keeps_the_key_of_a_claim(
    module: Callable[[str], Any], before: str, key: str, after: str
) -> None:
    redact = module("secrecy").Redactor()
    for link in (f"https://browser.geekbench.com/v6/cpu/1/claim?key={key}", f"?id=7&key={key}"):
        assert key not in redact(f"{before.replace(key, '')} {link}{after}")


KEY, OWNER = "ABCDE-12345-FGHIJ", "o.w@a.io"


@pytest.mark.parametrize(
    "licence",
    [
        f"license_key={KEY}\nemail={OWNER}\n",
        f"{OWNER}/{KEY}.",
        f"<string>{KEY}</string><string name='email'>{OWNER}</string>",
        f'<licence key="{KEY}" email="{OWNER}"/>',
        json.dumps({"key": KEY, "email": OWNER}),
        json.dumps({"licence": f"{KEY}={OWNER}"}),
    ],
)
def test_a_key_or_address_that_is_printed_alone_is_hidden_in_whatever_form_a_licence_has_it(
    module: Callable[[str], Any], licence: str
) -> None:
    redact = module("secrecy").Redactor(licence.encode())
    assert redact(f"Licensed with {KEY}, to {OWNER}: 5 workloads") == (
        "Licensed with [redacted], to [redacted]: 5 workloads"
    )
    assert KEY not in redact(licence)


@pytest.mark.parametrize("key", ["AB-12", "7F-K2-Q9", "1111-2222-3333-4444-5555"])
def test_a_key_in_groups_is_hidden_however_long_it_is(module: Callable[[str], Any], key: str) -> None:
    redact = module("secrecy").Redactor(f"key={key}".encode())
    assert redact(f"({key})") == "([redacted])"


def test_what_geekbench_says_of_the_licence_is_hidden_in_every_text_of_the_result(
    job: Callable[..., Job],
) -> None:
    made = job(6, "truncated")
    # It calls its workloads, its edition and its version by words of the licence.
    program = made.install / f"geekbench_{os.uname().machine}"
    text = program.read_text()
    assert '"File Compression", "Navigation", "HTML5 Browser"' in text
    said = text.replace("File Compression", LICENCE_WORDS[0]).replace("Navigation", LICENCE_WORDS[1])
    program.write_text(said.replace('" Pro" if', f'" Pro {LICENCE_WORDS[1]}" if'))
    done, result = made.run(licence=LICENCE)
    assert result["facts"]["edition"] == "pro [redacted]"
    assert result["facts"]["workloads"]["multi_core"] == ["[redacted]", "[redacted]"]
    for text in (*made.texts().values(), done.stdout, done.stderr):
        assert not [word for word in LICENCE_WORDS if word.lower() in text.lower()]


@given(text=st.text())
def test_no_exported_document_is_taken_without_scores(module: Callable[[str], Any], text: str) -> None:
    output = module("output")
    with pytest.raises(output.ExportError):
        output.read_export(text)


def test_an_export_of_version_5_is_read(module: Callable[[str], Any]) -> None:
    document = {
        "version": "Geekbench 5.5.1",
        "sections": [
            {
                "name": "Single-Core",
                "score": 900,
                "workloads": [{"name": "Clang", "score": 880, "workload_rate": 1.0}],
            }
        ],
    }
    scores, workloads, simulated = module("output").read_export(json.dumps(document))
    assert (scores, workloads, simulated) == ({"single_core": 900}, [("single_core", "Clang", 880)], False)


def test_the_program_is_for_python_3_9_and_needs_nothing_but_its_library() -> None:
    sources = [BENCH / "bin/run", *sorted((BENCH / "geekbench_run").glob("*.py"))]
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text(), str(path), feature_version=(3, 9))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.partition(".")[0] in {*sys.stdlib_module_names, "geekbench_run"}, path
