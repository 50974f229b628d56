# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a secret for a benchmark comes from: a file of the controller, or the lab's broker; and what is refused."""

from __future__ import annotations

import base64
import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from rackbench.errors import RackbenchError
from rackbench.transport import labfile, routes
from rackbench.transport.secrets import Secrets
from rackbench.transport.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[3]
LICENCE = b"two lines\nof a licence\n"
ENCODED = base64.b64encode(LICENCE).decode()


@pytest.fixture(name="module", scope="module")
def fixture_module(loader: None) -> Any:
    return importlib.import_module("ansible_collections.rackbench.lab.plugins.plugin_utils._private")


@pytest.fixture(name="broker")
def fixture_broker(tmp_path: Path) -> Iterator[str]:
    """Start the broker of a lab with a licence, and with what is none."""
    (tmp_path / "word").write_text(ENCODED)
    refs = {
        "licence": {"type": "command", "command": ["cat", str(tmp_path / "word")]},
        "password": {"type": "command", "command": ["echo", "not in base64!"]},
    }
    document = {"schema": "rackbench.lab/1.0", "plugin": "rackbench.lab.lab", "auth_refs": refs, "hosts": {}}
    path = tmp_path / "one.lab.yml"
    path.write_text(yaml.safe_dump(document))
    lab = labfile.load(path)
    session = Session(routes.resolve(lab), Secrets(lab))
    yield str(session.socket)
    session.close()


def handed_over(module: Any, value: str | None, broker: str | None = None) -> dict[str, str]:
    """Return what geekbench is handed for a setting."""
    action = SimpleNamespace(project=REPOSITORY, in_project=lambda path: REPOSITORY / path)
    found: dict[str, str] = module.handed_over(
        action, "geekbench", {"licence": value, "upload": True}, broker
    )
    return found


def test_without_a_setting_nothing_is_handed_over(module: Any) -> None:
    assert handed_over(module, None) == {}
    assert handed_over(module, "") == {}


def test_a_file_is_handed_over_as_it_is(module: Any, tmp_path: Path) -> None:
    path = tmp_path / "Geekbench 6.preferences"
    path.write_bytes(LICENCE)
    assert handed_over(module, str(path)) == {"licence": ENCODED}


def test_an_auth_reference_holds_the_file_in_base64(module: Any, broker: str) -> None:
    assert handed_over(module, "secret:licence", broker) == {"licence": ENCODED}


@pytest.mark.parametrize(
    ("value", "with_broker", "words"),
    [
        (
            "/does/not/exist",
            False,
            "/does/not/exist, which lab_settings.geekbench.licence names, cannot be read",
        ),
        ("/dev/null", False, "is empty"),
        ("secret:licence", False, "is not from a rackbench.lab.lab inventory"),
        ("secret:password", True, "is not in base64"),
        ("secret:unknown", True, "unknown"),
    ],
)
def test_a_secret_that_cannot_be_had_is_named_and_not_shown(
    module: Any, broker: str, value: str, words: str, *, with_broker: bool
) -> None:
    with pytest.raises(RackbenchError) as caught:
        handed_over(module, value, broker if with_broker else None)
    assert caught.value.code == "missing_secret"
    assert words in caught.value.message
    assert "base64!" not in str(caught.value)


def test_a_file_that_is_too_large_for_a_secret_is_refused(module: Any, tmp_path: Path) -> None:
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(bytes(module.LIMIT_BYTES + 1))
    with pytest.raises(RackbenchError, match="more than"):
        handed_over(module, str(path))
