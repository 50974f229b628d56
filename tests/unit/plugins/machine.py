# SPDX-License-Identifier: GPL-3.0-or-later
"""A writable copy of a recorded machine's knobs, with stand-ins for the commands that would change the real one."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).resolve().parents[2] / "data/sysfs"
SWAPS = "proc/swaps"
CONTROL = "sys/devices/system/cpu/smt/control"
NO_TURBO = "sys/devices/system/cpu/intel_pstate/no_turbo"
THP = "sys/kernel/mm/transparent_hugepage/enabled"
BOOT_ID = "proc/sys/kernel/random/boot_id"
QUIET = {
    "governor": "performance",
    "boost": False,
    "thp": "never",
    "numa_balancing": False,
    "aslr": False,
    "ksm": False,
    "irqbalance": False,
    "swap": False,
    "smt": False,
}
LOUD = {
    "governor": "powersave",
    "boost": True,
    "thp": "madvise",
    "numa_balancing": True,
    "aslr": True,
    "ksm": True,
    "irqbalance": True,
    "swap": True,
    "smt": True,
}
# They do to the copied tree what the real ones do to the machine, and fail when a file of their name is in `broken`.
TOOL = """#!{python} -IS
import pathlib, sys

tree = pathlib.Path({tree!r})
name, arguments = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
gate = tree.with_name("gate")
if name == "swapoff" and gate.exists():
    gate.read_text()
if (tree.with_name("broken") / name).exists() and "show" not in arguments:
    sys.exit(f"{{name}}: broken on purpose")
swaps, service = tree / {swaps!r}, tree / "irqbalance"
if name == "systemctl":
    if arguments[0] == "show":
        print("LoadState=loaded\\nActiveState=" + service.read_text().strip())
    else:
        service.write_text({{"start": "active\\n", "stop": "inactive\\n"}}[arguments[0]])
    sys.exit()
path = arguments[-1].replace(" ", "\\\\040")
lines = swaps.read_text().splitlines()
if name == "swapoff":
    kept = [line for line in lines if line.split()[0] != path]
    if kept == lines:
        sys.exit(f"swapoff: {{path}}: Invalid argument")
    lines = kept
else:
    priorities = [int(line.split()[4]) for line in lines[1:]]
    given = int(arguments[1]) if arguments[0] == "-p" else min([-1, *priorities]) - 1
    lines.append(f"{{path}} partition 1 0 {{given}}")
swaps.write_text("\\n".join(lines) + "\\n")
"""


class Machine:
    """The tree of one recorded machine, copied into `folder`."""

    def __init__(self, folder: Path, name: str = "intel-i7-1370p") -> None:
        self.tree = folder / "machine"
        self.broken = folder / "broken"
        self.tools = folder / "tools"
        shutil.copytree(RECORDED / name, self.tree)
        (self.tree / "irqbalance").write_text("active\n")
        self.broken.mkdir()
        self.tools.mkdir()
        for tool in ("swapon", "swapoff", "systemctl"):
            path = self.tools / tool
            path.write_text(TOOL.format(python=sys.executable, tree=str(self.tree), swaps=SWAPS))
            path.chmod(0o755)

    @property
    def places(self) -> dict[str, str]:
        """The arguments by which the module comes here."""
        return {
            "sysfs": str(self.tree / "sys"),
            "procfs": str(self.tree / "proc"),
            "tools": str(self.tools),
        }

    def knobs(self) -> dict[str, Any]:
        """Return what every file of the tree says: of several choices the chosen one, of the swaps what they are."""
        return {
            path.relative_to(self.tree).as_posix(): self._said(path)
            for path in sorted(self.tree.rglob("*"))
            if path.is_file()
        }

    def _said(self, path: Path) -> Any:
        text = path.read_text()
        if path == self.tree / SWAPS:
            fields = [line.split() for line in text.splitlines()[1:]]
            return {line[0]: int(line[4]) for line in fields}
        chosen = re.search(r"\[(.+)\]", text)
        return chosen[1] if chosen else text.strip()

    def get(self, knob: str) -> Any:
        return self._said(self.tree / knob)

    def set(self, knob: str, text: str) -> None:
        (self.tree / knob).write_text(f"{text}\n")
