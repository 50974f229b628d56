# SPDX-License-Identifier: Apache-2.0
"""The cached root file system and package repository, built once for each recipe by the machine's own apt."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING

from testlab import mounts, recipe
from testlab.commands import run
from testlab.errors import LabError

if TYPE_CHECKING:
    from testlab.state import State

# Runs inside mmdebstrap, while its apt knows all packages of the release.
DOWNLOAD = (
    'for package in $LAB_PACKAGES; do APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get -q -y --no-install-recommends '
    '--download-only -o APT::Keep-Downloaded-Packages=true install "$package" || exit; done; '
    'cp "$1"/var/cache/apt/archives/*.deb "$LAB_REPOSITORY"'
)
UPDATE = (
    'mount --bind "$1/apt-repo" "$1/rootfs/srv/apt-repo" && mount -t proc proc "$1/rootfs/proc" && '
    'exec chroot "$1/rootfs" apt-get -q update'
)

# The build's processes end with this one and its mounts with them, so that a killed `up` leaves no one at work.
DIES_WITH_US = (
    *("setpriv", "--pdeathsig", "KILL", "--"),
    *(
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--",
    ),
)


def ensure(state: State) -> Path:
    """The directory that holds `rootfs` and `apt-repo`; builds them when needed, and removes older ones."""
    release = _release()
    wanted = state.cache / recipe.digest(release)
    if wanted.is_dir():
        return wanted
    sys.stderr.write("building the hosts' root file system (once, about a minute)\n")
    for old in state.cache.glob("*"):
        remove(old)
    state.cache.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix="building-", dir=state.cache))
    building.chmod(0o755)
    try:
        _build(building, release)
        building.rename(wanted)
    finally:
        if building.exists():
            remove(building)
    return wanted


def remove(directory: Path) -> None:
    """Delete a directory tree, but never what is mounted below it; raises LabError when a mount stays."""
    mounts.unmount_below(directory)
    if mounts.below(directory):
        raise LabError(f"{directory} still holds mounts: not deleted")
    if directory.exists():
        shutil.rmtree(directory)


def _build(building: Path, release: str) -> None:
    rootfs, repository = building / "rootfs", building / "apt-repo"
    repository.mkdir()
    run(
        *DIES_WITH_US,
        "mmdebstrap",
        "--variant=minbase",
        "--mode=root",
        "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in recipe.LEFT_OUT),
        *_proxy_options(),
        f"--include={','.join(recipe.PACKAGES)}",
        f"--customize-hook={DOWNLOAD}",
        release,
        rootfs,
        *_sources(release),
        extra_environment={
            "LAB_PACKAGES": " ".join(recipe.REPOSITORY_PACKAGES),
            "LAB_REPOSITORY": str(repository),
            "TMPDIR": str(building),
        },
    )
    _fill_repository(repository)
    _adapt(rootfs)
    run("unshare", "--mount", "--propagation", "private", "sh", "-c", UPDATE, "update", building)


def _release() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        name, _, value = line.partition("=")
        if name == "VERSION_CODENAME":
            return value.strip('"')
    raise LabError("the lab needs a Debian machine: /etc/os-release names no release")


def _sources(release: str) -> list[str]:
    """The machine's own mirrors of its release, one source line each."""
    form = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    listed = run("apt-get", "indextargets", "--format", form, "Created-By: Packages")
    lines = dict.fromkeys(
        f"deb {' '.join(words)}"
        for words in map(str.split, listed.splitlines())
        if len(words) == 3 and (words[1] == release or words[1].startswith(f"{release}-"))
    )
    if not lines:
        raise LabError(f"apt on this machine has no source for {release}: the lab is built from its mirrors")
    return list(lines)


def _proxy_options() -> list[str]:
    """The machine's apt proxy, as options: mmdebstrap does not read the machine's apt configuration."""
    listed = run("apt-config", "dump", "--format", "%f %v%n", "Acquire::http::Proxy", "Acquire::https::Proxy")
    return [
        f'--aptopt={name} "{value}"'
        for name, value in (line.split(maxsplit=1) for line in listed.splitlines() if " " in line.strip())
        if name in {"Acquire::http::Proxy", "Acquire::https::Proxy"}
    ]


def _fill_repository(repository: Path) -> None:
    for version in recipe.DEMO_VERSIONS:
        with tempfile.TemporaryDirectory(dir=repository) as tree:
            for name, text in recipe.DEMO_FILES.items():
                file = Path(tree) / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text.format(version=version))
                file.chmod(0o755 if file.parent.name == "bin" else 0o644)
            for directory, _, _ in os.walk(tree):
                Path(directory).chmod(0o755)
            run("dpkg-deb", "--root-owner-group", "--build", tree, repository)
    packages = run("dpkg-scanpackages", "--multiversion", ".", directory=repository).encode()
    (repository / "Packages").write_bytes(packages)
    (repository / "Release").write_text(
        f"Origin: lab\nSuite: lab\nDate: {formatdate(usegmt=True)}\n"
        f"SHA256:\n {hashlib.sha256(packages).hexdigest()} {len(packages)} Packages\n"
    )


def _adapt(rootfs: Path) -> None:
    for key in rootfs.glob("etc/ssh/ssh_host_*"):
        key.unlink()
    for listed in rootfs.glob("etc/apt/sources.list.d/*"):
        listed.unlink()
    (rootfs / "etc/apt/sources.list").write_text(recipe.SOURCES_LIST)
    (rootfs / "srv/apt-repo").mkdir()
    (rootfs / "etc/machine-id").write_text("")
    drop_in = rootfs / "etc/systemd/system/ssh.service.d/lab.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text(recipe.SSH_DROP_IN)
    for unit in recipe.MASKED_UNITS:
        mask = rootfs / "etc/systemd/system" / unit
        mask.unlink(missing_ok=True)
        mask.symlink_to("/dev/null")
