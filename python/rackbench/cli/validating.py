# SPDX-License-Identifier: Apache-2.0
"""What `rackbench validate` and `rackbench bundle select` share: which hosts, and the playbook that looks at them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.cli.inputs import inventory_hosts, names, there
from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rackbench.cli.output import Output
    from rackbench.transport.labfile import LabFile
    from rackbench.transport.secrets import SecretSource

PLAYBOOK = "rackbench.lab.validate"
VALIDATE = "rackbench.lab.validate"


def add_benchmarks_option(parser: argparse.ArgumentParser) -> None:
    """Declare ``--benchmarks``."""
    parser.add_argument(
        "--benchmarks",
        action="append",
        metavar="A[,B]",
        help="benchmarks to look at; by default those that a run would run",
    )


@dataclass(frozen=True)
class Hosts:
    """The hosts that were asked for, the lab files that describe them, and the inventories that were named."""

    names: list[str]
    labs: list[tuple[LabFile, SecretSource]]
    inventories: list[str]

    @classmethod
    def asked_for(cls, given: Sequence[str] | None, inventories: Sequence[Path], *, only_labs: bool) -> Hosts:
        """Return the hosts of options; without any, all of the lab files.

        With `only_labs`, an inventory that is named has to be a lab file. Raises `RackbenchError("unknown_host")`
        before anything is dialled.
        """
        from rackbench.transport import sources
        from rackbench.yaml_source import nearest

        wanted = list(dict.fromkeys(names(given)))
        paths = [there(path) for path in inventories]
        ours = [path for path in paths if only_labs or path.is_dir() or sources.is_lab_file(path)]
        may_be = ours or not paths
        labs = sources.labs(ours) if may_be and (sources.lab_files(ours) or not wanted) else []
        known = list(dict.fromkeys(name for lab, _secrets in labs for name in lab.model.hosts))
        # Hosts that only Ansible knows, such as this machine, are in no lab file. Asking Ansible takes a second.
        if not known or not set(known).issuperset(wanted):
            known = list(dict.fromkeys([*known, *inventory_hosts(Path.cwd(), [str(path) for path in paths])]))
        for name in wanted:
            if name not in known:
                raise RackbenchError(
                    "unknown_host", f"No inventory has a host {name!r}; {nearest(name, known)}."
                )
        return cls(wanted or known, [*labs], [str(path.resolve()) for path in paths])


def connectivity(hosts: Hosts) -> dict[str, Any]:
    """Probe the way to the hosts from here and return the report."""
    from rackbench import validation
    from rackbench.transport import connectivity

    found = connectivity.probed(hosts.labs, hosts.names)
    return validation.report("connectivity", [validation.finding(item, None) for item in found])


def by_playbook(
    project: Path,
    scope: str,
    hosts: Hosts,
    benchmarks: Sequence[str] | None,
    output: Output,
    given_vars: Sequence[str] = (),
) -> dict[str, Any]:
    """Run the playbook in a project, which has the settings of the inventory, and return its report.

    Raises `RackbenchError("ansible_failed")` when there is none, and KeyboardInterrupt when the user ended it before.
    """
    from rackbench.playbooks import run_playbook

    variables: dict[str, Any] = {"lab_scope": scope}
    if chosen := names(benchmarks):
        variables["lab_benchmarks"] = chosen
    answers = run_playbook(
        project,
        PLAYBOOK,
        ",".join(hosts.names),
        variables,
        action=VALIDATE,
        check=False,
        say=output.note,
        inventories=hosts.inventories,
        given_vars=given_vars,
    )
    for answer in answers.results.values():
        if "report" in answer:
            report: dict[str, Any] = answer["report"]
            return report
        if failure := (answer.get("rackbench") or {}).get("failure"):
            raise RackbenchError(**failure)
    if answers.interrupted:
        raise KeyboardInterrupt
    said = "; ".join(str(answer.get("msg")) for answer in answers.results.values())
    raise RackbenchError("task_failed", f"The playbook gave no report: {said}")
