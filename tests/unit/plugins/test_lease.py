# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease of a target: who gets it, who keeps it, and what files that are no lease do to it."""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.target import REPOSITORY, Target, code

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

TTL_S = 1800
PATIENCE_S = 120


class Host:
    """A target with a lease directory, and the calls of the runs that want it."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.directory = target.home / "lease"
        self.file = self.directory / "lease.json"

    def call(self, state: str, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        return self.target.call("lease", check=check, dir=str(self.directory), state=state, **arguments)

    def look(self, *, check: bool = False) -> dict[str, Any]:
        return self.target.call("lease_info", check=check, dir=str(self.directory))

    def take(self, run: str = "ann", **changed: Any) -> dict[str, Any]:
        return self.call("taken", **{**wish(run), **changed})

    def release(self, run: str | None = "ann", **changed: Any) -> dict[str, Any]:
        return self.call("released", **({"lease_id": f"{run}-1"} if run else {}), **changed)

    def renewed(self, seconds_ago: float) -> None:
        """Let the lease have been renewed so long ago by the target's clock."""
        then = time.time() - seconds_ago
        os.utime(self.file, (then, then))

    def has(self) -> str | None:
        """Return which run holds the target."""
        found = self.look()
        return str(found["holder"]["run_id"]) if found["holder"] and found["expires_in_s"] else None


def wish(run: str) -> dict[str, Any]:
    """Return what a run says of itself."""
    return {"lease_id": f"{run}-1", "run_id": run, "owner": f"{run}@desk", "purpose": "latency"}


@pytest.fixture(scope="module")
def lease(loader: None) -> Any:
    """The part of it that modules share."""
    return importlib.import_module("ansible_collections.rackbench.lab.plugins.module_utils._lease")


@pytest.fixture
def host(target: Target) -> Host:
    return Host(target)


def test_a_free_target_is_taken_and_the_file_says_by_whom(host: Host) -> None:
    taken = host.take()
    assert (taken["changed"], taken["held"], taken["stolen_from"]) == (True, True, None)
    assert {name: taken["holder"][name] for name in wish("ann")} == wish("ann")
    found = json.loads(host.file.read_text())
    assert found["schema"] == "rackbench.lease/1.0"
    assert found["boot_id"]
    assert {name: found[name] for name in wish("ann")} == wish("ann")


def test_directory_and_files_are_open_to_every_user_whatever_the_umask(host: Host) -> None:
    before = os.umask(0o077)
    try:
        host.take()
    finally:
        os.umask(before)
    assert stat.S_IMODE(host.directory.stat().st_mode) == 0o1777
    assert {stat.S_IMODE(path.stat().st_mode) for path in host.directory.iterdir()} == {0o666}


def test_a_second_run_is_told_who_has_the_target_and_changes_nothing(host: Host) -> None:
    host.take()
    before = host.file.read_bytes(), host.file.stat().st_mtime_ns
    refused = host.take("bob")
    assert (refused["changed"], refused["held"]) == (False, False)
    assert (refused["holder"]["owner"], refused["holder"]["purpose"]) == ("ann@desk", "latency")
    assert 0 < refused["expires_in_s"] <= TTL_S
    assert (host.file.read_bytes(), host.file.stat().st_mtime_ns) == before


def test_taking_it_again_renews_it_and_keeps_since_when(host: Host) -> None:
    first = host.take()
    host.renewed(1000)
    again = host.take()
    assert (again["changed"], again["held"]) == (False, True)
    assert again["holder"]["taken_at"] == first["holder"]["taken_at"]
    assert host.look()["expires_in_s"] > TTL_S - 1000


def test_a_lease_that_was_not_renewed_in_time_goes_to_the_next(host: Host) -> None:
    host.take()
    host.renewed(TTL_S + 5)
    assert host.look()["expires_in_s"] == 0
    taken = host.take("bob")
    assert (taken["held"], taken["stolen_from"]) == (True, None)
    assert host.has() == "bob"


def test_a_lease_that_expired_is_renewed_by_its_own_run_if_nobody_was_faster(host: Host) -> None:
    host.take()
    host.renewed(TTL_S + 5)
    assert host.take()["held"]
    assert host.has() == "ann"


@pytest.mark.parametrize(
    ("seconds", "holder"),
    [
        (TTL_S - 100, "ann"),
        (TTL_S + 100, "bob"),
        (-TTL_S + 100, "ann"),
        (-TTL_S - 100, "bob"),
        (-8 * 3600, "bob"),
    ],
)
def test_a_clock_that_jumped_ends_a_lease_only_beyond_its_lifetime(
    host: Host, seconds: float, holder: str
) -> None:
    host.take()
    # To a clock that jumped by so much, the last renewal is as far away.
    host.renewed(seconds)
    assert host.look()["expires_in_s"] <= TTL_S
    host.take("bob")
    assert host.has() == holder


def held(host: Host, run: str = "ann", **changed: Any) -> dict[str, Any]:
    return host.call("held", **{**wish(run), **changed})


def test_what_is_held_is_renewed_and_an_expired_one_of_another_is_taken_again(host: Host) -> None:
    host.take()
    host.renewed(1000)
    kept = held(host)
    assert (kept["changed"], kept["held"], kept["holder"]["run_id"]) == (False, True, "ann")
    assert host.look()["expires_in_s"] > TTL_S - 1000

    host.take("bob", steal=True, reason="hers had expired")
    host.renewed(TTL_S + 5)
    planned = held(host, check=True)
    assert (planned["changed"], planned["held"]) == (True, False)
    assert json.loads(host.file.read_text())["run_id"] == "bob"
    again = held(host)
    assert (again["changed"], again["held"]) == (True, True)
    assert again["expires_in_s"] > TTL_S - 1000
    assert host.has() == "ann"


def test_what_another_holds_or_was_given_back_is_lost(host: Host) -> None:
    assert code(held(host)) == "lease_lost"
    assert not host.directory.exists()
    host.take()
    host.release()
    assert code(held(host)) == "lease_lost"
    assert host.has() is None
    host.take("bob")
    before = host.file.read_bytes(), host.file.stat().st_mtime_ns
    lost = held(host)
    assert code(lost) == "lease_lost"
    assert "bob@desk" in lost["msg"]
    assert (host.file.read_bytes(), host.file.stat().st_mtime_ns) == before


def test_only_the_run_that_has_it_gives_it_back(host: Host) -> None:
    host.take()
    assert not host.release("bob")["changed"]
    assert host.has() == "ann"
    assert host.release("ann")["changed"]
    assert host.has() is None
    again = host.release("ann")
    assert (again["changed"], again["holder"]) == (False, None)


def test_without_an_id_only_what_nobody_holds_is_removed(host: Host) -> None:
    host.take()
    kept = host.release(None)
    assert (kept["changed"], kept["holder"]["run_id"]) == (False, "ann")
    host.renewed(TTL_S + 5)
    assert host.release(None)["changed"]
    assert not host.file.exists()


def test_an_expired_lease_of_another_stays_when_a_run_gives_back_its_own(host: Host) -> None:
    host.take()
    host.renewed(TTL_S + 5)
    assert not host.release("bob")["changed"]


@pytest.mark.parametrize("state", ["taken", "released"])
def test_a_theft_needs_a_reason_and_says_who_was_robbed(host: Host, state: str) -> None:
    host.take()
    thief = wish("bob") if state == "taken" else {}
    assert code(host.call(state, steal=True, **thief)) == "unknown_option"
    assert code(host.call(state, steal=True, reason=" ", **thief)) == "unknown_option"
    stolen = host.call(state, steal=True, reason="his machine is gone", **thief)
    assert (stolen["stolen_from"]["run_id"], stolen["reason"]) == ("ann", "his machine is gone")
    assert host.has() == ("bob" if state == "taken" else None)


def test_stealing_what_is_free_robs_nobody(host: Host) -> None:
    assert host.take(steal=True, reason="in a hurry")["stolen_from"] is None
    again = host.take(steal=True, reason="in a hurry")
    assert (again["held"], again["changed"], again["stolen_from"]) == (True, False, None)


@pytest.mark.parametrize("state", ["taken", "released"])
def test_check_mode_makes_and_changes_nothing(host: Host, state: str) -> None:
    found = host.call(state, check=True, **wish("ann"))
    assert (found["changed"], found["held"]) == (state == "taken", False)
    assert not host.directory.exists()
    host.take("bob")
    host.renewed(TTL_S + 5)
    before = host.file.read_bytes(), host.file.stat().st_mtime_ns, sorted(host.directory.iterdir())
    assert host.call(state, check=True, **wish("bob" if state == "released" else "ann"))["changed"]
    assert (host.file.read_bytes(), host.file.stat().st_mtime_ns, sorted(host.directory.iterdir())) == before


@pytest.mark.parametrize("check", [True, False])
def test_looking_makes_and_changes_nothing(host: Host, check: bool) -> None:
    found = host.look(check=check)
    assert (found["changed"], found["holder"], found["expires_in_s"]) == (False, None, None)
    assert not host.directory.exists()
    host.take("bob")
    before = host.file.read_bytes(), host.file.stat().st_mtime_ns, sorted(host.directory.iterdir())
    found = host.look(check=check)
    assert (found["changed"], found["holder"]["run_id"], found["broken"]) == (False, "bob", False)
    assert (host.file.read_bytes(), host.file.stat().st_mtime_ns, sorted(host.directory.iterdir())) == before


def document(**changed: Any) -> bytes:
    """Return the bytes of a lease with changes; a field that is None is left out."""
    fields = {"schema": "rackbench.lease/1.0", **wish("ann"), "ttl_s": 9.0, **changed}
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


BROKEN: dict[str, bytes] = {
    "text": b"no lease\n",
    "half": document()[:60],
    "a list": b"[]\n",
    "another schema": document(schema="rackbench.job/1.0"),
    "no owner": document(owner=None),
    "a number as owner": document(owner=1),
    "an empty id": document(lease_id=""),
    "an endless lifetime": document(ttl_s=1e99),
    "no number as lifetime": document(ttl_s=float("nan")),
    "a huge lifetime": document(ttl_s=int("9" * 3000)),
    "nested too deep": b"[" * 3000,
    "zeros": bytes(4096),
    "too long": document() + b" " * 5000,
    "a megabyte": b"x" * 1_000_000,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_file_that_is_no_lease_holds_nobody_up_and_is_kept_aside(host: Host, content: bytes) -> None:
    host.take()
    host.file.write_bytes(content)
    found = host.look()
    assert (found["holder"], found["broken"]) == (None, True)
    taken = host.take("bob")
    assert taken["held"]
    assert content.startswith(Path(taken["kept_aside"]).read_bytes())
    assert Path(taken["kept_aside"]).stat().st_size == min(len(content), 65536)
    assert host.has() == "bob"
    assert host.file.stat().st_size == 4096


def test_a_file_that_is_no_lease_is_removed_and_kept_aside(host: Host) -> None:
    host.take()
    host.file.write_bytes(b"rubbish")
    released = host.release(None)
    assert released["changed"]
    assert Path(released["kept_aside"]).read_bytes() == b"rubbish"
    assert not host.file.exists()


def test_an_empty_file_is_a_free_target(host: Host) -> None:
    host.take()
    host.file.write_bytes(b"")
    taken = host.take("bob")
    assert (taken["held"], taken["kept_aside"]) == (True, None)


def test_control_characters_of_others_never_come_out(host: Host) -> None:
    host.take()
    hostile = {
        "owner": "\x1b[2Jroot\u202e@box",
        "purpose": "a\nb" + "c" * 1000,
        "taken_at": "\x07yesterday",
    }
    host.file.write_bytes(document(**hostile, ttl_s=1800))
    for found in (host.look(), host.take("bob")):
        assert found["holder"]["owner"] == "?[2Jroot?@box"
        assert found["holder"]["purpose"] == "a?b" + "c" * 197
        assert found["holder"]["taken_at"] is None


@pytest.mark.parametrize("name", ["lease.json", "lease.lock"])
@pytest.mark.parametrize("kind", ["symbolic link", "hard link", "pipe", "directory", "dangling link"])
def test_what_is_no_file_of_its_own_is_never_followed(host: Host, name: str, kind: str) -> None:
    host.directory.mkdir(mode=0o1777)
    victim = host.target.home / "victim"
    victim.write_text("precious")
    place = host.directory / name
    make: dict[str, Callable[[], object]] = {
        "symbolic link": lambda: place.symlink_to(victim),
        "hard link": lambda: place.hardlink_to(victim),
        "pipe": lambda: os.mkfifo(place),
        "directory": place.mkdir,
        "dangling link": lambda: place.symlink_to(host.target.home / "nowhere"),
    }
    make[kind]()
    for refused in (host.look(), *(host.call(state, **wish("ann")) for state in ("taken", "released"))):
        assert code(refused) == "target_unwritable"
        assert str(place) in refused["msg"]
    assert victim.read_text() == "precious"
    assert not (host.target.home / "nowhere").exists()


def test_a_directory_that_is_a_link_is_not_used(host: Host) -> None:
    elsewhere = host.target.home / "elsewhere"
    elsewhere.mkdir()
    host.directory.symlink_to(elsewhere)
    assert code(host.take()) == "target_unwritable"
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("directory", ["relative", "~/.rackbench", ""])
def test_a_directory_that_is_not_the_same_for_all_is_refused(target: Target, directory: str) -> None:
    assert code(target.call("lease", dir=directory, state="taken", **wish("ann"))) == "unknown_option"
    assert code(target.call("lease_info", dir=directory)) == "unknown_option"


@pytest.mark.parametrize("ttl_s", [0, -1, 86401, float("inf")])
def test_a_lifetime_that_makes_no_sense_is_refused(host: Host, ttl_s: float) -> None:
    assert code(host.take(ttl_s=ttl_s)) == "unknown_option"


def test_names_of_any_letters_fit_into_the_page(host: Host) -> None:
    long = {"owner": "\U0001f980" * 900, "purpose": '"\\' * 500, "run_id": "\u00e9" * 900}
    assert host.take(**long)["held"]
    assert host.file.stat().st_size == 4096
    assert host.look()["holder"]["owner"] == "\U0001f980" * 200


@pytest.mark.parametrize("before", ["free", "expired", "broken", "no directory"])
def test_of_many_that_take_at_once_exactly_one_wins(host: Host, before: str) -> None:
    if before != "no directory":
        host.take("earlier")
        host.release("earlier")
    if before == "expired":
        host.take("earlier")
        host.renewed(TTL_S + 5)
    if before == "broken":
        host.file.write_bytes(b"rubbish")
    takers = [
        subprocess.Popen(
            [sys.executable, "-B", str(REPOSITORY / "plugins/modules/lease.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY / "collections")},
        )
        for _number in range(8)
    ]
    for number, taker in enumerate(takers):
        # They are up, or as good as, and wait for what they are to do.
        assert taker.stdin is not None
        arguments = {"dir": str(host.directory), "state": "taken", **wish(f"run{number}")}
        taker.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())
    for taker in takers:
        assert taker.stdin is not None
        taker.stdin.close()
        taker.stdin = None
    results = [json.loads(taker.communicate(timeout=PATIENCE_S)[0]) for taker in takers]
    winners = [result["holder"]["run_id"] for result in results if result["held"]]
    assert len(winners) == 1
    assert host.has() == winners[0]
    assert all(result["holder"]["run_id"] == winners[0] for result in results)


def test_who_comes_while_another_changes_the_lease_waits_until_that_is_done(host: Host) -> None:
    host.take("earlier")
    host.release("earlier")
    lock = host.directory / "lease.lock"
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        taker = subprocess.Popen(
            [sys.executable, "-B", str(REPOSITORY / "plugins/modules/lease.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY / "collections")},
        )
        assert taker.stdin is not None
        arguments = {"dir": str(host.directory), "state": "taken", **wish("bob")}
        taker.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())
        taker.stdin.close()
        taker.stdin = None
        deadline = time.monotonic() + PATIENCE_S
        while taker.poll() is None and lock not in opened(taker.pid):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        host.file.write_bytes(document(ttl_s=1800))
    result = json.loads(taker.communicate(timeout=PATIENCE_S)[0])
    assert (result["held"], result["holder"]["run_id"]) == (False, "ann")


def opened(pid: int) -> set[Path]:
    """Return the files that a process has open."""
    found = set()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.add(link.readlink())
    return found


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["take", "release", "steal", "renew", "hold"]),
            st.sampled_from(["ann", "bob", "eve"]),
            # So many seconds ago it was renewed; never so near to its end that a slow machine decides.
            st.sampled_from([-9000, -2000, -1600, 0, 900, 1600, 2000, 9000]),
        ),
        max_size=12,
    )
)
def test_whatever_happens_in_whatever_order_a_live_lease_moves_only_by_theft(
    lease: Any, tmp_path_factory: pytest.TempPathFactory, deeds: list[tuple[str, str, int]]
) -> None:
    path = lease.lease_path(str(tmp_path_factory.mktemp("order") / "lease"))
    for deed, run, seconds_ago in deeds:
        before = lease.look(path)
        alive = before.lease is not None and not before.expired
        holder = before.lease["run_id"] if alive else None
        mine = lease.new_lease(f"{run}-1", run, run, "")
        if deed == "take":
            assert lease.take(path, mine).done == (holder in (None, run))
        elif deed == "steal":
            assert lease.take(path, mine, steal=True).done
        elif deed == "release":
            lease.release(path, f"{run}-1")
        elif deed == "renew":
            stood = before.lease is not None and before.lease["run_id"] == run
            assert lease.renew(path, f"{run}-1") == stood
        elif before.lease is not None and holder in (None, run):
            lease.hold({"path": str(path), "lease_id": f"{run}-1", "owner": run, "purpose": ""})
        else:
            with pytest.raises(lease.TargetError) as lost:
                lease.hold({"path": str(path), "lease_id": f"{run}-1"})
            assert lost.value.code == "lease_lost"
        now = lease.read(path)
        if holder is not None and deed != "steal" and not (deed == "release" and run == holder):
            assert now["run_id"] == holder
        if now is not None:
            then = time.time() - seconds_ago
            os.utime(path, (then, then))
