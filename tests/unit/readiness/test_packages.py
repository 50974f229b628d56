# SPDX-License-Identifier: Apache-2.0
"""Install commands of each package manager."""

from __future__ import annotations

import pytest
from rackbench.package_managers import INSTALL, install_command, package_name


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        ("apt", ["apt-get", "install", "--yes", "a", "b"]),
        ("dnf", ["dnf", "install", "--assumeyes", "a", "b"]),
        ("zypper", ["zypper", "--non-interactive", "install", "a", "b"]),
        ("pacman", ["pacman", "--sync", "--needed", "--noconfirm", "a", "b"]),
        ("apk", ["apk", "add", "a", "b"]),
    ],
)
def test_each_package_manager_installs_sorted_packages_once(manager: str, command: list[str]) -> None:
    assert install_command(manager, ["b", "a", "b"], root=True) == command
    assert install_command(manager, ["b", "a"], root=False) == ["sudo", *command]


def test_nothing_to_install_and_an_unknown_manager_give_no_command() -> None:
    assert [install_command(manager, [], root=True) for manager in INSTALL] == [None] * len(INSTALL)
    assert install_command("brew", ["a"], root=True) is None
    assert install_command(None, ["a"], root=True) is None


def test_a_package_is_called_by_the_manager_then_by_default_then_by_anything() -> None:
    assert package_name("gcc", "apt") == "gcc"
    assert package_name({"default": "hwloc", "apt": "hwloc-nox"}, "apt") == "hwloc-nox"
    assert package_name({"default": "hwloc", "apt": "hwloc-nox"}, "dnf") == "hwloc"
    assert package_name({"default": "hwloc", "apt": "hwloc-nox"}, None) == "hwloc"
    assert package_name({"apt": "hwloc-nox"}, "dnf") == "hwloc-nox"
