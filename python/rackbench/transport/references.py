# SPDX-License-Identifier: Apache-2.0
"""Find what in a lab file points at nothing, or at the wrong kind of thing."""

from __future__ import annotations

from rackbench.models import lab as models
from rackbench.yaml_source import Place, nearest

Problem = tuple[Place, str]

GROUPS = {"all", "ungrouped", "lab"}
# What a host that is a hop as well takes from the hop.
OF_THE_HOP = ("hostname", "user", "port", "auth_ref", "host_key", "proxy_command", "transport", "retry")


def group_name(tag: str) -> str:
    """Return the name of the group that a tag becomes: what Ansible takes without a warning."""
    name = "".join(sign if sign.isalnum() else "_" for sign in tag)
    return f"_{name}" if name[0].isdigit() else name


def problems(lab: models.Lab) -> list[Problem]:
    """Return all problems of a lab's references, each with its place in the file and what is allowed there."""
    found: list[Problem] = []
    for name, auth in lab.auth_refs.items():
        if isinstance(auth, models.KeyFile):
            found += _reference(lab, ("auth_refs", name, "passphrase"), auth.passphrase, password=True)
    found += _reference(lab, ("defaults", "auth_ref"), lab.defaults.auth_ref, password=False)
    found += _become(lab, ("defaults",), lab.defaults.become)
    for name, hop in lab.hops.items():
        found += _login(lab, ("hops", name), hop)
    groups = GROUPS | {group_name(tag) for host in lab.hosts.values() for tag in host.tags}
    for name, host in lab.hosts.items():
        found += _host(lab, name, host)
        if name in groups:
            found.append(
                (("hosts", name), "a host cannot have the name of a group (a tag, all, ungrouped, lab)")
            )
    return found


def _host(lab: models.Lab, name: str, host: models.Host) -> list[Problem]:
    place: Place = ("hosts", name)
    found = _become(lab, place, host.become)
    if name in lab.hops:
        return found + [
            ((*place, key), f"{name!r} is a hop as well: give this in hops.{name} only")
            for key in OF_THE_HOP
            if getattr(host, key) is not None
        ]
    if host.hostname is None:
        found.append((place, "the key 'hostname' is missing"))
    if host.proxy_command and isinstance(host.transport, models.JumpChain):
        found.append(((*place, "proxy_command"), "only the first hop of a chain has a proxy_command"))
    return found + _login(lab, place, host)


def _login(lab: models.Lab, place: Place, item: models.Hop | models.Host) -> list[Problem]:
    found = _reference(lab, (*place, "auth_ref"), item.auth_ref, password=False)
    if (item.auth_ref or lab.defaults.auth_ref) is None:
        found.append(
            (place, f"the key 'auth_ref' is missing, and defaults has none; {nearest('', lab.auth_refs)}")
        )
    if (item.user or lab.defaults.user) is None:
        found.append((place, "the key 'user' is missing, and defaults has none"))
    return found


def _become(lab: models.Lab, place: Place, become: models.Become | None) -> list[Problem]:
    return _reference(lab, (*place, "become", "auth_ref"), become.auth_ref, password=True) if become else []


def _reference(lab: models.Lab, place: Place, name: str | None, *, password: bool) -> list[Problem]:
    if name is None:
        return []
    if name not in lab.auth_refs:
        return [(place, f"there is no auth reference {name!r}; {nearest(name, lab.auth_refs)}")]
    kind = lab.auth_refs[name].type
    if password and kind not in models.PASSWORD_TYPES:
        return [
            (place, f"{name!r} is of type {kind}; a password is needed: {', '.join(models.PASSWORD_TYPES)}")
        ]
    return []
