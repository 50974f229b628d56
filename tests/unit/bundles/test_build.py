# SPDX-License-Identifier: Apache-2.0
"""Building bundles: same source, same bytes; each failure with its code and the way out."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rackbench.bundles.build import Follower, build, build_all, build_source
from rackbench.bundles.catalog import read_sidecar
from rackbench.bundles.platforms import local_platform
from rackbench.bundles.source import find_sources, read_source
from rackbench.bundles.verify import verify
from rackbench.errors import RackbenchError

pytestmark = pytest.mark.slow

MakeSource = Callable[..., Path]
NEEDS_CC = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler (apt-get install gcc)")


def _fails(code: str, source: Path, dist: Path) -> RackbenchError:
    with pytest.raises(RackbenchError) as caught:
        build(source, dist)
    assert caught.value.code == code
    return caught.value


def test_two_directories_with_the_same_source_give_one_digest(
    make_source: MakeSource, tmp_path: Path
) -> None:
    first = build(make_source("one"), tmp_path / "dist1")
    second = build(make_source("elsewhere/and/deeper"), tmp_path / "dist2")
    assert first.tarball.name == "probe-1.0.0-any.tar.gz"
    assert first.tarball.read_bytes() == second.tarball.read_bytes()
    assert json.loads(first.sidecar.read_text()) == json.loads(second.sidecar.read_text())
    assert verify(first.tarball) == []


def test_the_sidecar_says_what_the_tarball_is(make_source: MakeSource, tmp_path: Path) -> None:
    built = build(make_source(), tmp_path / "dist")
    sidecar = json.loads(built.sidecar.read_text())
    assert sidecar["schema"] == "rackbench.bundle/1.0"
    assert sidecar["platform"] == "any"
    assert sidecar["sha256"] == built.digest
    assert sidecar["size"] == built.tarball.stat().st_size
    assert sidecar["file_count"] == 2


def test_litter_in_the_source_is_neither_packed_nor_a_change(make_source: MakeSource, tmp_path: Path) -> None:
    source = make_source()
    before = build(source, tmp_path / "dist")
    for name in ("data/._table", "data/.DS_Store", "data/x.pyc", "data/table~"):
        (source / name).write_text("litter")
    after = build(source, tmp_path / "dist")
    assert after.digest == before.digest
    assert (
        read_sidecar(after.tarball).provenance.source_digest
        == read_sidecar(before.tarball).provenance.source_digest
    )


@NEEDS_CC
def test_a_native_bundle_built_in_two_directories_has_one_digest_and_needs_a_c_library(
    make_source: MakeSource, tmp_path: Path
) -> None:
    section = """\
[build]
command = ["cc", "-O2", "-o", "$BUNDLE_OUT/tool", "main.c"]
needs = [{command = "cc", package = "gcc"}]
"""
    digests = set()
    for where in ("one", "a/longer/path"):
        source = make_source(where, platform="native", build=section)
        (source / "main.c").write_text('#include <stdio.h>\nint main(void) { return puts("x") < 0; }\n')
        built = build(source, tmp_path / where / "dist")
        digests.add(built.digest)
    assert len(digests) == 1
    sidecar = read_sidecar(built.tarball)
    here = local_platform()
    assert not isinstance(sidecar.platform, str)
    assert (sidecar.platform.machine, sidecar.platform.libc) == (here.machine, here.libc)
    assert here.tag() in built.tarball.name
    assert sidecar.provenance.tool_versions["cc"]
    with tarfile.open(built.tarball) as archive:
        assert sorted(archive.getnames()) == ["bin/run", "data/table", "tool"]
        assert archive.getmember("tool").mode == 0o755


def test_a_missing_compiler_is_named_with_its_package(make_source: MakeSource, tmp_path: Path) -> None:
    source = make_source(
        build='[build]\ncommand = ["sh", "-c", "true"]\nneeds = [{command = "no-such-cc", package = "gcc"}]\n'
    )
    error = _fails("build_tool_missing", source, tmp_path / "dist")
    assert "no-such-cc (package gcc)" in error.message
    if shutil.which("apt-get"):
        assert error.next_command
        assert error.next_command.endswith("apt-get install --yes gcc")


def test_a_missing_build_command_is_not_an_internal_error(make_source: MakeSource, tmp_path: Path) -> None:
    _fails(
        "build_tool_missing",
        make_source(build='[build]\ncommand = ["./no-such-script"]\n'),
        tmp_path / "dist",
    )


def test_a_failing_build_gives_its_last_lines_and_the_log(make_source: MakeSource, tmp_path: Path) -> None:
    source = make_source(build='[build]\ncommand = ["sh", "-c", "seq 50; echo the reason >&2; exit 3"]\n')
    error = _fails("build_failed", source, tmp_path / "dist")
    assert "exited with 3" in error.message
    assert error.detail
    assert error.detail.splitlines()[-1] == "the reason"
    assert len(error.detail.splitlines()) == 20
    assert "the reason" in Path(error.next_path or "").read_text()
    assert not list((tmp_path / "dist").glob("*.tar.gz*"))


def test_the_build_sees_a_fixed_environment(
    make_source: MakeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CFLAGS", "-secret")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    source = make_source(build='[build]\ncommand = ["sh", "-c", "env >$BUNDLE_OUT/environment"]\n')
    with tarfile.open(build(source, tmp_path / "dist").tarball) as archive:
        member = archive.extractfile("environment")
        assert member
        names = dict(line.split("=", 1) for line in member.read().decode().splitlines())
    assert "CFLAGS" not in names
    assert names["LC_ALL"] == "C"
    assert names["TZ"] == "UTC"
    assert names["SOURCE_DATE_EPOCH"].isdigit()


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ('[bundle]\nname = "Bad Name"\nversion = "1.0.0"\n', "bundle.name"),
        ('[bundle]\nname = "x"\nversion = "1"\n', "bundle.version"),
        ('[bundle]\nname = "x"\nversion = "1.0.0"\nplattform = "any"\n', "bundle.plattform"),
        ('[bundle]\nname = "x"\nversion = "1.0.0"\nplatform = "linux"\n', "bundle.platform"),
        ('[bundle]\nname = "x"\nversion = "1.0.0"\nentry_point = "../run"\n', "bundle.entry_point"),
        ("[bundle\n", "bundle.toml"),
        ('[bundle]\nname = "x"\nversion = "1.0.0"\n[files]\ninclude = ["nothing/*"]\n', "nothing/*"),
        ('[bundle]\nname = "x"\nversion = "1.0.0"\n[files]\ninclude = ["../*"]\n', "stay in it"),
        ('[bundle]\nname = "x"\nversion = "1.0.0"\n[files]\ninclude = ["data/*"]\n', "bin/run"),
        (
            '[bundle]\nname = "x"\nversion = "1.0.0"\nentry_point = "data/table"\n[files]\ninclude = ["data/*"]\n',
            "not executable",
        ),
    ],
)
def test_a_wrong_bundle_toml_is_refused_with_file_and_place(
    make_source: MakeSource, tmp_path: Path, content: str, place: str
) -> None:
    source = make_source()
    (source / "bundle.toml").write_text(content)
    error = _fails("bundle_toml_invalid", source, tmp_path / "dist")
    assert str(source / "bundle.toml") in error.message
    assert place in error.message


def test_a_dist_that_cannot_be_made_has_a_code_of_its_own(make_source: MakeSource, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    error = _fails("cache_unwritable", make_source(), tmp_path / "file" / "dist")
    assert str(tmp_path / "file") in error.message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_dist_has_a_code_of_its_own(make_source: MakeSource, tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir(mode=0o555)
    _fails("cache_unwritable", make_source(), tmp_path / "dist")


def test_build_all_builds_again_only_what_changed(make_source: MakeSource, tmp_path: Path) -> None:
    first, second = make_source("benchmarks/one", name="one"), make_source("benchmarks/two", name="two")
    dist = tmp_path / "dist"
    assert [(each.name, each.rebuilt) for each in build_all(find_sources(tmp_path), dist)[0]] == [
        ("one", True),
        ("two", True),
    ]
    assert [each.rebuilt for each in build_all(find_sources(tmp_path), dist)[0]] == [False, False]
    (first / "data" / "table").write_text("4\n")
    assert [each.rebuilt for each in build_all(find_sources(tmp_path), dist)[0]] == [True, False]
    (second / "bin" / "run").chmod(0o744)
    assert [each.rebuilt for each in build_all(find_sources(tmp_path), dist)[0]] == [False, False]


def test_build_all_goes_on_after_a_benchmark_whose_tools_are_missing(
    make_source: MakeSource, tmp_path: Path
) -> None:
    build = "[build]\ncommand = ['sh']\nneeds = [{ command = 'no-such-tool', package = 'thing' }]\n"
    make_source("benchmarks/one", name="one", build=build)
    make_source("benchmarks/two", name="two")
    built, lacking = build_all(find_sources(tmp_path), tmp_path / "dist")
    assert [each.name for each in built] == ["two"]
    assert [(each.name, each.error.code) for each in lacking] == [("one", "build_tool_missing")]
    assert "no-such-tool (package thing)" in lacking[0].error.message


def test_build_all_replaces_a_tarball_whose_bytes_changed(make_source: MakeSource, tmp_path: Path) -> None:
    make_source("benchmarks/one", name="one")
    built = build_all(find_sources(tmp_path), tmp_path / "dist")[0][0]
    built.tarball.write_bytes(built.tarball.read_bytes() + b"x")
    again = build_all(find_sources(tmp_path), tmp_path / "dist")[0][0]
    assert again.rebuilt
    assert verify(again.tarball) == []


def test_build_all_replaces_a_sidecar_that_is_cut(make_source: MakeSource, tmp_path: Path) -> None:
    make_source("benchmarks/one", name="one")
    built = build_all(find_sources(tmp_path), tmp_path / "dist")[0][0]
    built.sidecar.write_bytes(built.sidecar.read_bytes()[:40])
    assert build_all(find_sources(tmp_path), tmp_path / "dist")[0][0].rebuilt
    assert verify(built.tarball) == []


def test_nothing_is_left_in_dist_but_bundles(make_source: MakeSource, tmp_path: Path) -> None:
    build(make_source(), tmp_path / "dist")
    assert sorted(path.name for path in (tmp_path / "dist").iterdir()) == [
        "probe-1.0.0-any.tar.gz",
        "probe-1.0.0-any.tar.gz.json",
    ]


# A command with a child of its own, whose process id is then in the file `child`.
WITH_CHILD = """\
[build]
command = ["sh", "-c", "sleep 3600 & echo $! >new; mv new child; {then}"]
"""
LIMIT_S = 120


def wait_for(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.05)


def wait_for_end_of_child(source: Path) -> None:
    """Wait until the command's child is gone, or is only waiting to be reaped."""
    stat = Path("/proc", (source / "child").read_text().strip(), "stat")

    def is_gone() -> bool:
        try:
            return stat.read_text().rpartition(") ")[2].startswith("Z")
        except (FileNotFoundError, ProcessLookupError):
            return True

    wait_for(is_gone)


def test_a_child_of_a_build_that_failed_is_ended(make_source: MakeSource, tmp_path: Path) -> None:
    source = make_source(build=WITH_CHILD.format(then="exit 3"))
    _fails("build_failed", source, tmp_path / "dist")
    wait_for_end_of_child(source)


def test_a_child_of_a_build_whose_follower_fails_is_ended(make_source: MakeSource, tmp_path: Path) -> None:
    source = make_source(build=WITH_CHILD.format(then="wait"))

    class Breaks(Follower):
        def goes_on(self, label: str, elapsed_s: float) -> None:
            assert elapsed_s >= 0
            if label and (source / "child").exists():
                raise RuntimeError("the journal is gone")

    with pytest.raises(RuntimeError, match="the journal is gone"):
        build_source(read_source(source), tmp_path / "dist", follower=Breaks())
    wait_for_end_of_child(source)


@pytest.mark.parametrize(
    ("number", "handler", "rc"),
    [
        pytest.param(signal.SIGTERM, "signal.SIG_DFL", -signal.SIGTERM, id="SIGTERM"),
        pytest.param(signal.SIGTERM, "lambda *_: os._exit(9)", 9, id="SIGTERM of a worker of Ansible"),
        pytest.param(signal.SIGINT, "signal.default_int_handler", -signal.SIGINT, id="SIGINT"),
        pytest.param(signal.SIGHUP, "signal.SIG_DFL", -signal.SIGHUP, id="SIGHUP"),
    ],
)
def test_a_child_of_a_build_that_a_signal_ends_is_ended(
    make_source: MakeSource, tmp_path: Path, number: signal.Signals, handler: str, rc: int
) -> None:
    source = make_source(build=WITH_CHILD.format(then="wait"))
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from rackbench.bundles.build import Follower, build_source\n"
        "from rackbench.bundles.source import read_source\n"
        "class Tells(Follower):\n"
        "    def goes_on(self, label, elapsed_s):\n"
        "        Path(sys.argv[2], 'followed').touch()\n"
        f"signal.signal({int(number)}, {handler})\n"
        "build_source(read_source(Path(sys.argv[1])), Path(sys.argv[2]), follower=Tells())\n"
    )
    dist = tmp_path / "dist"
    process = subprocess.Popen(
        [sys.executable, "-c", program, source, dist],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: (source / "child").exists() and (dist / "followed").exists())
        process.send_signal(number)
        assert process.wait(LIMIT_S) == rc
    finally:
        process.kill()
        process.wait()
    wait_for_end_of_child(source)
