# SPDX-License-Identifier: Apache-2.0
"""Where a lab keeps its files: everything lies below `.lab/` of one checkout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testlab.errors import LabError

if TYPE_CHECKING:
    from pathlib import Path

    from testlab.topology import Host


@dataclass(frozen=True)
class State:
    """The files of one lab; `top` is the absolute path of its `.lab` directory."""

    top: Path

    @property
    def cache(self) -> Path:
        """Root file systems and package repositories, kept between labs."""
        return self.top / "cache"

    @property
    def rust_mirror(self) -> Path:
        """What tests/lab/rust_mirror.py makes when a test needs it; the hosts see it, empty or not."""
        return self.top / "rust-mirror"

    @property
    def run(self) -> Path:
        """All that belongs to the running lab; `down` removes it."""
        return self.top / "run"

    @property
    def ready(self) -> Path:
        """Exists while the lab is up."""
        return self.run / "ready"

    @property
    def secrets(self) -> Path:
        """Passwords and keys, made anew for each lab."""
        return self.run / "secrets"

    @property
    def known_hosts(self) -> Path:
        """The hosts' keys under the hosts' names."""
        return self.run / "known_hosts"

    def host(self, host: Host) -> Path:
        """The directory of one host."""
        return self.run / "hosts" / host.name

    def root(self, host: Host) -> Path:
        """The host's root file system, seen from this machine."""
        return self.host(host) / "root"

    def home(self, host: Host) -> Path:
        """The host's /home: a file system of its own."""
        return self.root(host) / "home"

    def check_path(self) -> None:
        """Refuse a path that mount options cannot carry; raises LabError."""
        for character in ":,\\\n":
            if character in str(self.top):
                raise LabError(
                    f"the lab cannot live below {self.top}: {character!r} in a path breaks mount options"
                )
