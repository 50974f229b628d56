# SPDX-License-Identifier: Apache-2.0
"""The verbs of lab.py."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testlab import entering, faults, lifecycle, machine, netns, network
from testlab import host as hosts
from testlab.commands import SYSTEM_PATH, replace_process, require_root
from testlab.errors import NOT_RUNNING, LabError
from testlab.state import State
from testlab.topology import CONTROLLER, HOSTS, Host

if TYPE_CHECKING:
    from collections.abc import Callable

# What each of these verbs does to one host of a running lab.
SIMPLE: dict[str, tuple[str, Callable[[State, Host], None]]] = {
    "kill": ("cut a host's power", lambda _, host: hosts.power_off(host)),
    "reboot": ("reboot a host in order and wait for it", hosts.reboot),
    "fill": ("leave no free byte in a host's /home", faults.fill),
    "unfill": ("give a host's /home its size back", faults.unfill),
    "rekey": ("give a host a new host key, which known_hosts does not know", faults.rekey),
    "restore-key": ("give a host its first host key back", faults.restore_key),
    "hide-python": ("take Python away from a host", faults.hide_python),
    "show-python": ("put Python back", faults.show_python),
}


def main(arguments: list[str], program: str) -> int:
    """Run one verb; returns the exit code."""
    os.environ.setdefault("PATH", SYSTEM_PATH)
    state = State(Path(program).resolve().parents[2] / ".lab")
    options = _parser().parse_args(arguments)
    try:
        return _do(state, options)
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _do(state: State, options: argparse.Namespace) -> int:
    verb: str = options.verb
    if verb in {"up", "down"}:
        print(lifecycle.up(state) if verb == "up" else lifecycle.down(state))
        return 0
    if verb == "status":
        return _status(state, as_json=options.json)
    require_root()
    lifecycle.require_running(state)
    if verb == "exec":
        _require_command(options.command)
        inside = entering.command_inside(HOSTS[options.host], options.command)
        replace_process(inside, entering.ENVIRONMENT)
    if verb == "ctl":
        _require_command(options.command)
        netns.enter(netns.path_of(CONTROLLER))
        replace_process(options.command, dict(os.environ))
    with lifecycle.alone():
        lifecycle.require_running(state)
        _change(state, verb, options)
    return 0


def _change(state: State, verb: str, options: argparse.Namespace) -> None:
    if verb == "clear":
        for name in [options.host] if options.host else HOSTS:
            faults.clear(state, HOSTS[name])
        return
    host = HOSTS[options.host]
    if verb in SIMPLE:
        SIMPLE[verb][1](state, host)
    elif verb == "start":
        hosts.start(state, host, lifecycle.image_of(state))
        hosts.wait_until_ready(state, host)
    elif verb in {"cut", "heal"}:
        if options.network is not None and options.network not in host.legs:
            raise LabError(f"{host.name} has no cable to {options.network}: it has {', '.join(host.legs)}")
        legs = [options.network] if options.network else list(host.legs)
        (faults.cut if verb == "cut" else faults.heal)(state, host, legs)
    elif verb == "loss":
        network.lose(host, options.percent)
    elif verb == "rate":
        network.slow(host, options.kilobits)


def _status(state: State, *, as_json: bool) -> int:
    running = lifecycle.is_running(state)
    report: dict[str, dict[str, Any]] = {}
    for host in HOSTS.values() if running else ():
        pid = machine.leader(host)
        report[host.name] = {
            "state": "down" if pid is None else "up",
            "pid": pid,
            "boot_id": machine.boot_id(host),
            "cut": sorted(hosts.cut_legs(state, host)),
        }
    if as_json:
        print(json.dumps({"running": running, "hosts": report}, indent=2))
    elif running:
        for name, row in report.items():
            cut = f" cut: {', '.join(row['cut'])}" if row["cut"] else ""
            print(f"{name:8} {row['state']:5} pid {row['pid'] or '-'} boot {row['boot_id'] or '-'}{cut}")
    else:
        sys.stderr.write(f"{NOT_RUNNING}\n")
    return 0 if running else 1


def _require_command(command: list[str]) -> None:
    if not command:
        raise LabError("which command? tests/lab/lab.py exec HOST COMMAND..., or ctl COMMAND...")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lab.py", description="Rackbench's test lab: real SSH hosts on this machine."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, text: str, *, host: bool = True) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=text, description=text)
        if host:
            made.add_argument("host", choices=list(HOSTS))
        return made

    verb("up", "bring the lab up", host=False)
    verb("down", "remove the lab", host=False)
    verb("status", "say which hosts are up", host=False).add_argument("--json", action="store_true")
    verb("exec", "run a command as root in a host").add_argument("command", nargs=argparse.REMAINDER)
    verb("ctl", "run a command in the controller's network", host=False).add_argument(
        "command", nargs=argparse.REMAINDER
    )
    made = verb("proxy", "join stdin and stdout to a TCP port in the lab", host=False)
    made.add_argument("address")
    made.add_argument("port", type=int)
    verb("start", "switch a host on and wait for it")
    for name, (text, _) in SIMPLE.items():
        verb(name, text)
    for name, text in (("cut", "cut a host's cables"), ("heal", "mend a host's cables")):
        verb(name, text).add_argument("network", nargs="?", help="one of them: edge, core or deep")
    verb("loss", "drop a share of the packets that reach a host").add_argument("percent", type=_percent)
    verb("rate", "slow a host's lines down").add_argument("kilobits", type=_kilobits, metavar="KBIT")
    verb("clear", "take back every fault", host=False).add_argument("host", nargs="?", choices=list(HOSTS))
    return parser


def _percent(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError("a share is 0 to 100 percent; 0 ends the loss")
    return value


def _kilobits(text: str) -> int:
    value = int(text)
    if not (value == 0 or value >= 8):
        raise argparse.ArgumentTypeError("a line has at least 8 kbit/s; 0 gives the full speed back")
    return value
