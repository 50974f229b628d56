# SPDX-License-Identifier: Apache-2.0
"""Making, starting and ending one host: systemd-nspawn over an overlay, with its own cgroup and network."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from testlab import cgroups, credentials, entering, machine, mounts, netns, network
from testlab.commands import CLEAN_ENVIRONMENT, run
from testlab.topology import HOSTS, NETWORKS, Host

if TYPE_CHECKING:
    from testlab.state import State

# /home is a tmpfs of this size: two bundles of 500 MB and their trees fit, and filling it costs no memory.
HOME_SIZE = 2 << 30
KEY_FILE = "etc/ssh/ssh_host_ed25519_key"
NSPAWN_FILES = Path("/run/systemd/nspawn")

# Each launcher joins its own cgroup, sees a /run/systemd/nspawn of its own (systemd-nspawn keeps names and locks
# there, which a reboot would find taken), and starts the host again when it ended with 133: it asked for a reboot.
LAUNCH = """
for group in $LAB_GROUPS; do echo $$ > $group/cgroup.procs || exit; done
unset LAB_GROUPS
mount -t tmpfs tmpfs /run/systemd/nspawn || exit
while :; do "$@"; [ $? -eq 133 ] || exit; done
"""


def prepare(state: State, host: Host, image: Path) -> None:
    """Make the host's root file system out of the cached one: overlay, users, keys, sshd, sudo."""
    directory, root = state.host(host), state.root(host)
    for name in ("root", "upper", "work"):
        (directory / name).mkdir(parents=True)
    layers = f"lowerdir={image}/rootfs,upperdir={directory}/upper,workdir={directory}/work"
    run("mount", "-t", "overlay", host.namespace, "-o", layers, root)
    run("mount", "-t", "tmpfs", host.namespace, "-o", f"size={HOME_SIZE},mode=755", state.home(host))
    (root / "etc/hostname").write_text(f"{host.name}\n")
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {host.name}\n{_neighbours(host)}")
    (root / "etc/ssh/sshd_config.d/lab.conf").write_text(_sshd_config(host))
    new_host_key(root)
    run(
        "chroot",
        root,
        "sh",
        "-c",
        "\n".join(f"useradd -m -s /bin/bash {user} || exit" for user in host.users),
    )
    for user in host.users:
        _set_up_user(state, host, user)


def new_host_key(root: Path) -> None:
    """Give a host a new key, in place of the old one."""
    for name in (KEY_FILE, f"{KEY_FILE}.pub"):
        (root / name).unlink(missing_ok=True)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab host", "-f", root / KEY_FILE)


def start(state: State, host: Host, image: Path) -> None:
    """Switch a host on, without waiting for it; a running one stays as it is."""
    if machine.leader(host) is not None:
        return
    # A host that went down by itself may have left its launcher.
    cgroups.end(host.name)
    groups = cgroups.make(host.name)
    NSPAWN_FILES.mkdir(parents=True, exist_ok=True)
    state.rust_mirror.mkdir(exist_ok=True)
    nspawn = [
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        "--keep-unit",
        f"--machine={host.name}",
        f"--hostname={host.name}",
        f"--directory={state.root(host)}",
        "--boot",
        f"--network-namespace-path={netns.path_of(host.namespace)}",
        "--console=pipe",
        f"--bind-ro={image}/apt-repo:/srv/apt-repo",
        f"--bind-ro={state.rust_mirror}:/srv/rust-mirror",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
    ]
    with console(state, host).open("ab") as log:
        subprocess.Popen(
            [
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                LAUNCH,
                f"lab-{host.name}",
                *nspawn,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=CLEAN_ENVIRONMENT | {"LAB_GROUPS": " ".join(map(str, groups))},
            cwd="/",
        )
    network.power(host, on=True, cut=cut_legs(state, host))


def wait_until_ready(state: State, host: Host) -> None:
    """Wait until a host that was started takes logins."""
    machine.wait_until_ready(host, console(state, host))


def power_off(host: Host) -> None:
    """Cut the power: the line goes dead first, so that nobody hears a farewell, then every process ends at once."""
    network.power(host, on=False)
    cgroups.end(host.name)


def reboot(state: State, host: Host) -> None:
    """Reboot in order, and wait until the host takes logins again."""
    before = machine.boot_id(host)
    run(*entering.command_inside(host, ["systemctl", "reboot"]))
    machine.wait_until_ready(host, console(state, host), other_than=before)


def remove_files(state: State) -> None:
    """Take away the mounts below the lab's run directory."""
    mounts.unmount_below(state.run)


def console(state: State, host: Host) -> Path:
    """What the host wrote to its console."""
    return state.host(host) / "console.log"


def cut_legs(state: State, host: Host) -> frozenset[str]:
    """The legs whose cable is cut now."""
    return frozenset(leg for leg in host.legs if cut_mark(state, host, leg).exists())


def cut_mark(state: State, host: Host, leg: str) -> Path:
    """The file that says that a cable is cut, for the next power-on to know."""
    return state.host(host) / f"cut-{leg}"


def _set_up_user(state: State, host: Host, user: str) -> None:
    root = state.root(host)
    asks = user == host.careful_user
    if asks or host.auth == "password":
        name = user if asks else host.name
        run("chroot", root, "chpasswd", feed=f"{user}:{credentials.password(state, name)}\n")
    (root / "etc/sudoers.d" / user).write_text(f"{user} ALL=(ALL:ALL) {'' if asks else 'NOPASSWD: '}ALL\n")
    if host.auth == "key":
        home = state.home(host) / user
        owner = home.stat()
        keys = home / ".ssh/authorized_keys"
        keys.parent.mkdir(mode=0o700)
        keys.write_text(credentials.authorized_keys(state))
        for path in (keys.parent, keys):
            os.chown(path, owner.st_uid, owner.st_gid)


def _sshd_config(host: Host) -> str:
    password, key = ("yes", "no") if host.auth == "password" else ("no", "yes")
    return (
        f"Port {host.port}\nHostKey /{KEY_FILE}\nUseDNS no\nMaxSessions 64\nMaxStartups 100\n"
        f"PasswordAuthentication {password}\nPubkeyAuthentication {key}\nKbdInteractiveAuthentication no\n"
    )


def _neighbours(host: Host) -> str:
    return "".join(
        f"{NETWORKS[leg]}.{last} {other.name}\n"
        for other in HOSTS.values()
        if other is not host
        for leg, last in other.legs.items()
        if leg in host.legs
    )
