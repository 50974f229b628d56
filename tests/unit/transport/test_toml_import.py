# SPDX-License-Identifier: Apache-2.0
"""The older TOML inventories."""

from __future__ import annotations

from pathlib import Path

import pytest
from rackbench.errors import RackbenchError
from rackbench.transport import labfile, routes, toml_import

DATA = Path(__file__).resolve().parents[2] / "data" / "inventories"


def convert(source: Path, folder: Path) -> tuple[toml_import.Imported, routes.Routes]:
    imported = toml_import.import_toml(source)
    target = folder / "made.lab.yml"
    target.write_text(toml_import.render(imported, source))
    return imported, routes.resolve(labfile.load(target))


def test_a_plain_list_of_hosts_loads_without_a_rest(tmp_path: Path) -> None:
    imported, found = convert(DATA / "sth-lab.toml", tmp_path)
    assert imported.unmapped == []
    assert set(found.lab.model.hosts) == {"thor", "xeon6soc36c", "xeon6soc40c", "spark-1de6", "turind8"}
    assert found.lab.model.hosts["xeon6soc36c"].display_name == "Intel Xeon 6553P-B"
    assert found.endpoints["turind8"].user == "sthuser"
    assert found.endpoints["turind8"].auth.type == "ssh_config"


def test_a_jump_chain_with_auth_references_is_taken_over(tmp_path: Path) -> None:
    imported, found = convert(DATA / "jump-chain.toml", tmp_path)
    assert found.hops("turind8") == ["thor"]
    assert found.password_ref(found.endpoints["thor"]) == "jumpbox-password"
    host = found.lab.model.hosts["turind8"]
    assert host.retry is not None
    assert (host.retry.attempts, host.retry.backoff_s) == (4, 1.5)
    assert host.vars["lab_bundles"] == {"latency": "bundles/latency.tar.gz"}
    assert found.lab.model.defaults.vars["lab_agentsth"] == {"cpu_pool": {"mode": "p-cores"}}
    assert found.lab.model.defaults.vars["lab_paths"]["bundle_cache_dir"] == "../bundle-cache"
    assert set(imported.unmapped) == {
        "auth_refs.token.type = 'kerberos'",
        "auth_refs.token.value = 'realm'",
        "hosts[0].rack = 7",
        "hosts[0].retry.jitter = 0.1",
    }


@pytest.mark.parametrize(
    "text", ["", "[[hosts]]\nhostname = 'x'\n", "not toml", "[[hosts]]\nname='a'\n[[hosts]]\nname='a'\n"]
)
def test_what_is_no_inventory_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(RackbenchError, match=r"x\.toml") as caught:
        toml_import.import_toml(path)
    assert caught.value.code == "inventory_invalid"
