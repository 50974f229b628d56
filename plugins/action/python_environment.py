# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the Python environment that a benchmark runs in, from the packages that its bundle pins."""

from __future__ import annotations

import contextlib
import tarfile
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.rackbench.lab.plugins.plugin_utils import _adapters
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR
from ansible_collections.rackbench.lab.plugins.plugin_utils._staging import StagingAction

if MISSING is None:
    from rackbench.errors import RackbenchError
    from rackbench.files import sha256_of
    from rackbench.ledger.state import used_bundle

ON_TARGET = "target:"


class ActionModule(StagingAction):
    """`rackbench.lab.python_environment`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        **RUN_DIR,
        "adapter": {"type": "str", "required": True},
        "pythons": {"type": "list", "elements": "str", "required": True},
    }

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        adapter = _adapters.catalog(self.project)[args["adapter"]]
        self.go_where_it_runs(adapter)
        would = {"changed": True, "msg": f"would install the packages of {adapter.name} on {self.machine}"}
        state = self.state()
        bundle = (used_bundle(state.packaging.get(adapter.name, {})) or {}).get("sha256")
        if bundle is None:
            if self.check_mode:
                # It is not built yet, so nobody knows what it pins.
                return would
            raise RackbenchError(
                "bundle_not_staged",
                f"No bundle of {adapter.name} was staged on {self.host}.",
                where=self.host,
            )
        wanted = {"bundle": bundle, "pythons": args["pythons"]}
        found = self.remote("target_python_environment", state="looked", **wanted)
        if not found["present"] and self.check_mode:
            return would
        if found["present"]:
            return {"changed": False, "path": found["path"], "python": found["python"]}
        self.beat("installing packages", 0.0, None)
        settings = (state.options.get("settings") or {}).get(adapter.name) or {}
        made = self._made(wanted, settings, self._login(adapter.name, task_vars), found["upload"])
        return {"changed": made["changed"], "path": made["path"], "python": made["python"]}

    def _login(self, adapter: str, task_vars: dict[str, t.Any]) -> dict[str, str]:
        """Return the user name and the password for the index, empty where the inventory sets none.

        They are no arguments of the task: those are handed to every callback.
        """
        place = f"lab_{adapter.replace('-', '_')}_"
        names = ("index_user", "index_password")
        return {name: str(self._templar.template(task_vars.get(place + name)) or "") for name in names}

    def _made(
        self, wanted: dict[str, t.Any], settings: dict[str, t.Any], login: dict[str, str], upload: str
    ) -> dict[str, t.Any]:
        """Have the environment made, from the wheelhouse if there is one."""
        wheelhouse = str(settings.get("wheelhouse") or "")
        if wheelhouse.startswith(ON_TARGET):
            return self.remote("target_python_environment", wheelhouse=wheelhouse[len(ON_TARGET) :], **wanted)
        if not wheelhouse:
            url = str(settings.get("index_url") or "")
            return self.remote("target_python_environment", index_url=url, **login, **wanted)
        with self._packed(self.in_project(wheelhouse)) as archive:
            self.upload(archive, upload)
            return self.remote(
                "target_python_environment", wheelhouse=upload, wheelhouse_sha256=sha256_of(archive), **wanted
            )

    @contextlib.contextmanager
    def _packed(self, wheelhouse: Path) -> t.Iterator[Path]:
        """Give the wheelhouse as one file: an archive as it is, a directory packed for as long as it is needed."""
        if wheelhouse.is_file():
            yield wheelhouse
            return
        wheels = sorted(wheelhouse.glob("*.whl"))
        if not wheels:
            said = "holds no wheels" if wheelhouse.is_dir() else "does not exist"
            raise RackbenchError(
                "input_missing", f"The wheelhouse {wheelhouse} {said}.", where=str(wheelhouse)
            )
        with tempfile.TemporaryDirectory(prefix="rackbench-wheels-") as temporary:
            archive = Path(temporary) / "wheels.tar"
            with tarfile.open(archive, "w") as tar:
                for wheel in wheels:
                    tar.add(wheel.resolve(), wheel.name)
            yield archive
