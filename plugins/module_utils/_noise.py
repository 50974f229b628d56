# SPDX-License-Identifier: GPL-3.0-or-later
"""The noise settings of a host: look at them, set them for a run, and put back what was there before.

PRIVATE to rackbench.lab. The originals of a run are in `<root>/noise/<run_id>.json` before the first of them is
changed, and the file goes when all of them are back. So whatever is killed when: a file means that something may be
left, and says what was there; no file means that nothing is left.

Settings are applied in the order of `SETTINGS` and put back in the reverse one: hyper-threads come back first, and then
each CPU has the governor that it had. Nobody but the holder of the host's lease may apply settings, so the files of
other runs that `apply` finds are what killed runs left: their originals are put back first.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import subprocess
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ansible_collections.rackbench.lab.plugins.module_utils import _host, _supervisor
from ansible_collections.rackbench.lab.plugins.module_utils._target import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SCHEMA = "rackbench.noise/1.0"
# Where the originals are, below the root.
FOLDER = "noise"
ABSENT = "absent"
UNREADABLE = "unreadable"
GOVERNORS = ("performance", "powersave", "ondemand", "conservative", "schedutil", "userspace")
CHOSEN = re.compile(r"\[([^\]]+)\]")
# Emptying a full swap takes minutes, and whoever comes after a killed call waits for the swapoff that it left.
PATIENCE_S = 600.0
POLL_S = 0.1
TURNED = {"0": "1", "1": "0"}
SERVICE_RUNS = ("active", "activating", "reloading")


class AbsentError(Exception):
    """A knob is not there, or not at this time."""


@dataclass(frozen=True)
class Places:
    """Where the kernel's files and the commands of administrators are. Tests name their own."""

    sysfs: Path = Path("/sys")
    procfs: Path = Path("/proc")
    tools: Path | None = None

    def tool(self, name: str) -> str | None:
        """Return a command, or None. The machine's own commands are never called for another tree."""
        if self.tools is not None:
            path = self.tools / name
            return str(path) if path.is_file() else None
        own = (self.sysfs, self.procfs) == (Path("/sys"), Path("/proc"))
        return _host.which(name) if own else None

    def boot_id(self) -> str | None:
        """Return the name of this boot."""
        with contextlib.suppress(OSError):
            return (self.procfs / "sys/kernel/random/boot_id").read_text().strip()
        return None


@dataclass(frozen=True)
class Knob:
    """One thing that can be set: a file of the kernel, one that says the opposite (`turned`), a swap, or a service.

    Its value is a text.
    """

    kind: str
    path: str

    def read(self, places: Places) -> str:
        """Return the value. Raises `AbsentError`, and `OSError` for one that is there and cannot be read."""
        if self.kind == "swap":
            return _swaps(places).get(self.path, "off")
        if self.kind == "service":
            return _service(places, self.path)
        text = _read(Path(self.path))
        return TURNED.get(text, text) if self.kind == "turned" else text

    def write(self, places: Places, value: str, lock: int) -> None:
        """Set the value. Raises `OSError` or `TargetError`."""
        if self.kind == "swap":
            verb, _space, priority = value.partition(" ")
            tool = {"on": "swapon", "off": "swapoff"}[verb]
            _call(places, [tool, *(["-p", priority] if priority else []), self.path], lock)
        elif self.kind == "service":
            _call(places, ["systemctl", "start" if value == "active" else "stop", self.path], lock)
        else:
            _write(Path(self.path), TURNED[value] if self.kind == "turned" else value)


@dataclass
class Change:
    """A knob that differs from what is wanted. One that has no `ours` is only put back: another knob moves it."""

    setting: str
    kind: str
    path: str
    original: str
    ours: str | None

    @property
    def knob(self) -> Knob:
        """The knob itself."""
        return Knob(self.kind, self.path)


@dataclass(frozen=True)
class Setting:
    """One of the settings: its values in plain words, what is written for each, and where."""

    name: str
    values: Mapping[Any, str]
    # Kind, tree and pattern. Of several the first one that finds anything counts, with all that it finds.
    files: tuple[tuple[str, str, str], ...] = ()
    # What a file may hold beside the values that we write.
    also: Mapping[str, Any] = field(default_factory=dict)
    service: str | None = None

    def knobs(self, places: Places) -> list[Knob]:
        """Return what there is to set on this host; nothing if the setting is absent."""
        for kind, tree, pattern in self.files:
            found = sorted(getattr(places, tree).glob(pattern))
            if found:
                return [Knob(kind, str(path)) for path in found]
        return [Knob("service", self.service)] if self.service else []

    def word(self, text: str) -> Any:
        """Return the plain word for what a knob holds."""
        written = {written: word for word, written in self.values.items()}
        return written.get(text, self.also.get(text, text))

    def observe(self, places: Places) -> Any:
        """Return the value in plain words: `absent`, `unreadable`, or several in one text if its knobs differ."""
        try:
            words = {self.word(text) for _knob, text in self.read(places)}
        except OSError:
            return UNREADABLE
        return words.pop() if len(words) == 1 else ", ".join(sorted(str(word) for word in words)) or ABSENT

    def read(self, places: Places) -> list[tuple[Knob, str]]:
        """Return the knobs that are there, with what they hold. Raises `OSError`."""
        found = []
        for knob in self.knobs(places):
            with contextlib.suppress(AbsentError):
                found.append((knob, knob.read(places)))
        return found

    def refuse(self, wanted: Any, places: Places) -> None:
        """Raise `TargetError` for a value that this host does not know."""

    def changes(self, wanted: Any, places: Places) -> list[Change]:
        """Return what has to be written so that the setting is as wanted. Raises `OSError`."""
        return [
            Change(self.name, knob.kind, knob.path, text, self.values[wanted])
            for knob, text in self.read(places)
            if self.word(text) != wanted
        ]


class Governor(Setting):
    """The governor of all CPUs: one file for those that change their frequency together."""

    def refuse(self, wanted: Any, places: Places) -> None:
        for knob in self.knobs(places):
            path = Path(knob.path).with_name("scaling_available_governors")
            with contextlib.suppress(AbsentError, OSError):
                known = _read(path).split()
                if wanted not in known:
                    raise TargetError(
                        "noise_failed",
                        f"This host has no governor {wanted}; {path} names {', '.join(known)}. Nothing was set.",
                    )


class Smt(Setting):
    """Hyper-threads. Switching them on wakes every CPU, so those that somebody had put to sleep are put there again."""

    def knobs(self, places: Places) -> list[Knob]:
        found = super().knobs(places)
        with contextlib.suppress(AbsentError, OSError):
            if found and found[0].read(places) in ("notsupported", "notimplemented"):
                return []
        return found

    def changes(self, wanted: Any, places: Places) -> list[Change]:
        control = super().changes(wanted, places)
        if not control:
            return []
        asleep = []
        for path in sorted(places.sysfs.glob("devices/system/cpu/cpu[0-9]*/online")):
            with contextlib.suppress(AbsentError):
                if _read(path) == "0":
                    asleep.append(Change(self.name, "file", str(path), "0", None))
        return [*asleep, *control]


class Swap(Setting):
    """All swaps. They go in the order of their priorities from the lowest, so that the highest comes back first."""

    def knobs(self, places: Places) -> list[Knob]:
        return [Knob("swap", path) for path in _swaps(places)]

    def observe(self, places: Places) -> Any:
        try:
            return bool(_swaps(places))
        except AbsentError:
            return ABSENT
        except OSError:
            return UNREADABLE

    def read(self, places: Places) -> list[tuple[Knob, str]]:
        with contextlib.suppress(AbsentError):
            return super().read(places)
        return []


SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Governor(
            "governor",
            {name: name for name in GOVERNORS},
            (("file", "sysfs", "devices/system/cpu/cpufreq/policy*/scaling_governor"),),
        ),
        Setting(
            "boost",
            {True: "1", False: "0"},
            (
                ("turned", "sysfs", "devices/system/cpu/intel_pstate/no_turbo"),
                ("file", "sysfs", "devices/system/cpu/cpufreq/boost"),
            ),
        ),
        Setting(
            "thp",
            {name: name for name in ("never", "madvise", "always")},
            (("file", "sysfs", "kernel/mm/transparent_hugepage/enabled"),),
        ),
        Setting(
            "numa_balancing",
            {True: "1", False: "0"},
            (("file", "procfs", "sys/kernel/numa_balancing"),),
            {"2": True, "3": True},  # with the tiers of memory
        ),
        Setting(
            "aslr",
            {True: "2", False: "0"},
            (("file", "procfs", "sys/kernel/randomize_va_space"),),
            {"1": True},  # without the heap
        ),
        Setting(
            "ksm",
            {True: "1", False: "0"},
            (("file", "sysfs", "kernel/mm/ksm/run"),),
            {"2": False},  # it stands still, and what it had merged is apart again
        ),
        Setting("irqbalance", {True: "active", False: "inactive"}, service="irqbalance.service"),
        Swap("swap", {False: "off"}),
        Smt(
            "smt",
            {True: "on", False: "off"},
            (("file", "sysfs", "devices/system/cpu/smt/control"),),
            # PowerPC says how many threads a core has.
            {"forceoff": False, "1": False, "2": True, "4": True, "8": True},
        ),
    )
}


def known(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that were asked for, in the order in which they are applied.

    Raises `TargetError` for a name or value that there is not. The texts `true` and `false` mean what they say.
    """
    for name in settings:
        if name not in SETTINGS:
            raise TargetError(
                "unknown_option",
                f"{name!r} is no noise setting. There are {', '.join(SETTINGS)}.",
            )
    asked = {}
    for name in (each for each in SETTINGS if each in settings):
        value = settings[name]
        asked[name] = {"true": True, "false": False}.get(str(value).lower(), value)
        allowed = SETTINGS[name].values
        # 1 == True, but nobody means a governor or a switch by a number.
        if not isinstance(asked[name], (str, bool)) or asked[name] not in allowed:
            words = ", ".join(str(word).lower() for word in allowed)
            raise TargetError(
                "unknown_option", f"The noise setting {name} cannot be {value!r}. It can be {words}."
            )
    return asked


def observe(settings: Iterable[str], places: Places) -> dict[str, Any]:
    """Return these settings in plain words as they are now; all of them if none is named.

    The system manager is asked for irqbalance only when that is named.
    """
    named = set(settings) or SETTINGS.keys() - {"irqbalance"}
    return {name: setting.observe(places) for name, setting in SETTINGS.items() if name in named}


def disturbed(settings: Mapping[str, Any], places: Places) -> dict[str, dict[str, Any]]:
    """Return the settings that are not as wanted, with what was found. What is absent disturbs nothing."""
    found = observe(settings, places) if settings else {}
    return {
        name: {"wanted": settings[name], "found": value}
        for name, value in found.items()
        if value not in (settings[name], ABSENT)
    }


@dataclass
class PutBack:
    """What became of the originals of one run."""

    run_id: str
    places: Places
    settings: list[str] = field(default_factory=list)
    # Knobs that held neither the original nor our value: somebody else had set them. They were put back as well.
    meanwhile: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


@dataclass
class Applied:
    """What `apply` did: the settings that it wrote, and the runs whose leftovers it put back before."""

    settings: list[str]
    leftovers: list[PutBack]


def runs_with_originals(root: Path) -> list[str]:
    """Return the runs whose originals are kept below a root: something that they set may still be in force."""
    return sorted(path.name[: -len(".json")] for path in (root / FOLDER).glob("[!.]*.json"))


class Guard:
    """The originals below one root, and the calls that change the host."""

    def __init__(self, root: Path, places: Places, *, may_write: bool) -> None:
        self.directory = root / FOLDER
        self.places = places
        self.may_write = may_write

    def apply(self, run_id: str, settings: Mapping[str, Any]) -> Applied:
        """Set what is not as wanted, or put everything back and raise `TargetError`."""
        if not self.may_write:
            left = [PutBack(name, self.places) for name in self._run_ids() if name != run_id]
            return Applied(_names(self._changes(settings)), left)
        with self._locked() as lock:
            leftovers = [self._put_back(name, lock) for name in self._run_ids() if name != run_id]
            changes = self._changes(settings)
            if changes:
                self._save(run_id, changes)
                self._write(run_id, changes, settings, lock)
        return Applied(_names(changes), leftovers)

    def restore(self, run_id: str) -> PutBack | None:
        """Put the originals of a run back; None if there are none. Raises `TargetError` if one cannot be put back."""
        if not self.directory.exists():
            return None
        if not self.may_write:
            if not self._path(run_id).exists():
                return None
            places, changes, _same_boot = self._load(run_id)
            return PutBack(run_id, places, _names(changes))
        with self._locked() as lock:
            return self._put_back(run_id, lock) if self._path(run_id).exists() else None

    def _changes(self, settings: Mapping[str, Any]) -> list[Change]:
        """Return what has to be written. Raises `TargetError` before anything is, if a value is not to be had."""
        for name, wanted in settings.items():
            SETTINGS[name].refuse(wanted, self.places)
        changes: list[Change] = []
        for name, wanted in settings.items():
            try:
                changes += SETTINGS[name].changes(wanted, self.places)
            except OSError as error:
                raise TargetError(
                    "noise_failed",
                    f"{name} cannot be read: {error.filename}: {_reason(error)}. Nothing was set.",
                ) from error
        return changes

    def _save(self, run_id: str, changes: list[Change]) -> None:
        """Make the originals durable. What this run had changed before keeps the original that it has."""
        kept = self._load(run_id)[1] if self._path(run_id).exists() else []
        had = {change.knob: change for change in kept}
        for change in changes:
            if change.knob in had:
                had[change.knob].ours = change.ours
            else:
                kept.append(change)
        document = {
            "schema": SCHEMA,
            "run_id": run_id,
            "saved_at": _supervisor.utc_text(),
            "boot_id": self.places.boot_id(),
            "sysfs": str(self.places.sysfs),
            "procfs": str(self.places.procfs),
            "tools": str(self.places.tools) if self.places.tools else None,
            "changes": [asdict(change) for change in kept],
        }
        _supervisor.write_document(self._path(run_id), document, sync=True)
        _supervisor.sync_directory(self.directory.parent)

    def _write(self, run_id: str, changes: list[Change], settings: Mapping[str, Any], lock: int) -> None:
        for change in changes:
            try:
                if change.ours is not None:
                    change.knob.write(self.places, change.ours, lock)
            except (OSError, TargetError) as error:
                self._give_up(run_id, f"{change.setting}: {change.path}: {_reason(error)}", lock)
        for name, values in disturbed(settings, self.places).items():
            self._give_up(run_id, f"{name} is {said(values['found'])} after it was set", lock)

    def _give_up(self, run_id: str, why: str, lock: int) -> NoReturn:
        self._put_back(run_id, lock)
        raise TargetError(
            "noise_failed",
            f"The host cannot be set as asked: {why.rstrip('.')}. What had been set was put back.",
        )

    def _put_back(self, run_id: str, lock: int) -> PutBack:
        """Put every original of a run back and forget the run. Raises `TargetError` if one cannot be put back."""
        places, changes, same_boot = self._load(run_id)
        done = PutBack(run_id, places)
        for change in reversed(changes):
            try:
                self._put_one_back(change, done, lock, same_boot=same_boot)
            except (OSError, TargetError, AbsentError) as error:
                done.failed.append(f"{change.setting}: {change.path}: {_reason(error)}")
        if done.failed:
            raise TargetError(
                "noise_failed",
                f"Not all of what run {run_id} had set could be put back: {'; '.join(done.failed)}. "
                f"The originals stay in {self._path(run_id)}.",
            )
        self._path(run_id).unlink()
        _supervisor.sync_directory(self.directory)
        return done

    @staticmethod
    def _put_one_back(change: Change, done: PutBack, lock: int, *, same_boot: bool) -> None:
        try:
            now = change.knob.read(done.places)
        except AbsentError:
            if same_boot:
                raise
            return
        # A reboot sets everything as the host wants it, and it may want something else now.
        if now == change.original or (not same_boot and now != change.ours):
            return
        if change.ours is not None and now != change.ours:
            word = SETTINGS[change.setting].word
            done.meanwhile.append(
                f"somebody had set {change.setting} to {said(word(now))} since ({change.path}), and it is "
                f"{said(word(change.original))} again"
            )
        change.knob.write(done.places, change.original, lock)
        then = change.knob.read(done.places)
        if then != change.original:
            raise TargetError("noise_failed", f"it is {then} after {change.original} was written")
        if change.setting not in done.settings:
            done.settings.append(change.setting)

    def _path(self, run_id: str) -> Path:
        return self.directory / f"{run_id}.json"

    def _run_ids(self) -> list[str]:
        return runs_with_originals(self.directory.parent)

    def _load(self, run_id: str) -> tuple[Places, list[Change], bool]:
        """Return where a run set something, what, and whether that was in this boot."""
        document = _supervisor.read_document(self._path(run_id)) or {}
        try:
            tools = document["tools"]
            places = Places(Path(document["sysfs"]), Path(document["procfs"]), Path(tools) if tools else None)
            changes = [Change(**each) for each in document["changes"]]
        except (KeyError, TypeError) as error:
            raise TargetError(
                "noise_failed",
                f"{self._path(run_id)} is not whole, so the originals of run {run_id} are not known. "
                "Set the host as it shall be by hand, or reboot it, and remove the file.",
            ) from error
        return places, changes, document.get("boot_id") == places.boot_id()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """Let one call at a time change the host. The lock is on the directory, which goes when it is empty.

        Commands that a call starts inherit it: while the swapoff of a killed call runs, nobody puts that swap back.
        """
        handle = self._lock()
        try:
            for path in self.directory.glob(".*.tmp"):
                path.unlink()
            yield handle
        finally:
            # With the lock still held: who waits for it sees that the directory is gone, and makes a new one.
            with contextlib.suppress(OSError):
                self.directory.rmdir()
                self.directory.parent.rmdir()
            os.close(handle)

    def _lock(self) -> int:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            self.directory.mkdir(parents=True, exist_ok=True)
            # Another call may remove the directory at any time.
            with contextlib.suppress(FileNotFoundError):
                handle = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
                if _acquired(handle, deadline) and self._is_still(handle):
                    return handle
                os.close(handle)
        raise TargetError(
            "noise_failed", f"Another call has held {self.directory} for {PATIENCE_S:.0f} s. Nothing was set."
        )

    def _is_still(self, handle: int) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return os.fstat(handle).st_ino == self.directory.stat().st_ino
        return False


def _acquired(handle: int, deadline: float) -> bool:
    """Wait for the lock on an open directory; return False when it is not to be had by then."""
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)


def _names(changes: list[Change]) -> list[str]:
    return list(dict.fromkeys(change.setting for change in changes))


def said(word: Any) -> str:
    """Return a value as a person writes it."""
    return str(word).lower() if isinstance(word, bool) else str(word)


def _reason(error: BaseException) -> str:
    if isinstance(error, AbsentError):
        return "it is gone"
    return str(error.strerror or error) if isinstance(error, OSError) else str(error)


def _read(path: Path) -> str:
    """Return what a file of the kernel holds: of several choices the one in brackets."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        # The files of CPUs that are all asleep are there and answer that they are busy.
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EBUSY, errno.ENODEV, errno.ENXIO):
            raise AbsentError(str(path)) from error
        raise
    chosen = CHOSEN.search(text)
    return chosen.group(1) if chosen else text


def _write(path: Path, value: str) -> None:
    """Write to a file of the kernel in one call; one that is not there is not made."""
    handle = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        os.write(handle, f"{value}\n".encode())
    finally:
        os.close(handle)


def _swaps(places: Places) -> dict[str, str]:
    """Return the swaps in use, the least important first: `on`, with the priority if it was given by somebody."""
    try:
        lines = (places.procfs / "swaps").read_text().splitlines()[1:]
    except FileNotFoundError as error:
        raise AbsentError("swaps") from error
    swaps = [(int(line.split()[4]), _unescaped(line.split()[0])) for line in lines]
    return {path: f"on {priority}" if priority >= 0 else "on" for priority, path in sorted(swaps)}


def _unescaped(text: str) -> str:
    """Return a path of /proc, where spaces and the like are written as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), text)


def _service(places: Places, name: str) -> str:
    """Return `active` or `inactive`. Raises `AbsentError` if there is no such service, or nobody who could tell."""
    systemctl = places.tool("systemctl")
    if systemctl is None:
        raise AbsentError(name)
    done = subprocess.run(  # pylint: disable=ansible-bad-function # there is no AnsibleModule here
        [systemctl, "show", "--property=LoadState,ActiveState", name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    said = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    if done.returncode != 0 or said.get("LoadState") != "loaded":
        raise AbsentError(name)
    return "active" if said.get("ActiveState") in SERVICE_RUNS else "inactive"


def _call(places: Places, argv: list[str], lock: int) -> None:
    tool = places.tool(argv[0])
    if tool is None:
        raise TargetError("noise_failed", f"there is no command {argv[0]}")
    done = subprocess.run(  # pylint: disable=ansible-bad-function # there is no AnsibleModule here
        [tool, *argv[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        pass_fds=(lock,),
    )
    if done.returncode != 0:
        raise TargetError(
            "noise_failed", f"{' '.join(argv)} ended with {done.returncode}: {done.stdout.strip()}"
        )
