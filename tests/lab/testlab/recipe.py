# SPDX-License-Identifier: Apache-2.0
"""What is in the hosts' root file system and package repository. Any change here makes a new one."""

from __future__ import annotations

import hashlib
from pathlib import Path

PACKAGES = (
    "acl",
    "ca-certificates",
    "dbus",
    "iproute2",
    "iputils-ping",
    "openssh-server",
    "procps",
    "python3",
    "python3-apt",
    "python3-venv",
    "sudo",
    "systemd",
    "systemd-sysv",
)

# For the hosts' offline repository: each comes with what it needs beyond the root file system.
REPOSITORY_PACKAGES = ("gcc", "git", "hwloc", "hwloc-nox", "libc6-dev", "libfaketime", "rsync", "zstd")

LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")

# Timers that would take apt's lock or the processors in the middle of a test.
MASKED_UNITS = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
)

SOURCES_LIST = "deb [trusted=yes] file:/srv/apt-repo ./\n"

# Until systemd-user-sessions has run, logins are refused although sshd answers; a host's sshd waits for it.
SSH_DROP_IN = "[Unit]\nAfter=systemd-user-sessions.service\n"

DEMO_VERSIONS = ("1.0", "2.0")
DEMO_FILES = {
    "DEBIAN/control": (
        "Package: lab-demo\nVersion: {version}\nArchitecture: all\nMaintainer: Rackbench test lab <lab@localhost>\n"
        "Description: a service in two versions\n"
    ),
    "DEBIAN/conffiles": "/etc/lab-demo.conf\n",
    "usr/bin/lab-demo": "#!/bin/sh\necho lab-demo {version}\nexec sleep infinity\n",
    "lib/systemd/system/lab-demo.service": (
        "[Service]\nExecStart=/usr/bin/lab-demo\n[Install]\nWantedBy=multi-user.target\n"
    ),
    "etc/lab-demo.conf": "level=1\n",
}


def digest(release: str) -> str:
    """Sixteen hex digits that change with this recipe, with how it is built, and with the Debian release."""
    whole = hashlib.sha256(release.encode())
    for name in ("recipe.py", "cache.py"):
        whole.update(Path(__file__).with_name(name).read_bytes())
    return whole.hexdigest()[:16]
