# SPDX-License-Identifier: Apache-2.0
"""The baseline file as people write it: what is in it, and what is wrong with it, by line and column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from rackbench.baselines import document
from rackbench.baselines.numbers import Placeholder, Scenario
from rackbench.errors import RackbenchError

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((ROOT / "docs/reference/schemas/baseline.schema.json").read_text())
SCAFFOLD = """\
{
  "_comment": "why there is a baseline",
  "_schema_version": "0.3.0-scaffold",
  "_generated_at": "TODO",
  "_generated_by": "TODO: commit and machine",
  "_status": "scaffold-placeholder",
  "scenarios": {
    "health endpoint": {
      "p50_us": "TODO",
      "p95_us": "TODO",
      "p99_us": "TODO",
      "ips": "TODO"
    },
    "copy": {"unit": "GB/s", "direction": "higher", "ips": 12.5},
    "handshake": {"_comment_tls": "noisy", "p50_us": 12.5, "p95_us": 20, "p99_us": null, "ips": 80000}
  },
  "tolerance": {
    "_comment": "of every number",
    "p50_max_ratio": 1.10,
    "p95_max_ratio": 1.30,
    "scenarios": {"handshake": {"p99_max_ratio": 3}}
  }
}
"""


def parsed(text: str) -> document.BaselineDocument:
    """Return a baseline that a text is."""
    return document.parse_document(text.encode(), Path("baseline.json"))


def problem(text: str | bytes) -> str:
    """Return what is said of a text, after a look at code and exit status."""
    content = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(RackbenchError) as caught:
        document.parse_document(content, Path("baseline.json"))
    assert caught.value.code == "baseline_invalid"
    assert caught.value.exit_status == 2
    return caught.value.message


def test_a_scaffold_is_read_with_placeholders_numbers_and_tolerances() -> None:
    baseline = parsed(SCAFFOLD).baseline
    jsonschema.validate(json.loads(SCAFFOLD), SCHEMA)
    assert not baseline.active
    assert baseline.scenarios["health endpoint"] == Placeholder("health endpoint")
    handshake, copy = baseline.scenarios["handshake"], baseline.scenarios["copy"]
    assert isinstance(handshake, Scenario)
    assert (handshake.p50, handshake.missing) == (12.5, ("p99",))
    assert isinstance(copy, Scenario)
    assert (copy.ips, copy.unit, copy.direction, copy.missing) == (12.5, "GB/s", "higher", ())
    # What is not given holds by default, and what one scenario does not say is as for all.
    assert (baseline.tolerance.p50_max_ratio, baseline.tolerance.p99_max_ratio) == (1.1, 1.5)
    own = baseline.scenario_tolerance("handshake")
    assert (own.p99_max_ratio, own.p50_max_ratio, own.ips_min_ratio) == (3, 1.1, 0.8)
    assert baseline.fingerprint is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"p50_us": 12.5', '"p50_us": NaN', "line 15"),
        ('"p50_us": 12.5', '"p50_us": Infinity', "Infinity"),
        ('"p50_us": 12.5', '"p50_us": 1e999', "too large"),
        ('"p50_us": 12.5', '"p50_us": 0', "no finite number above 0"),
        ('"p50_us": 12.5', '"p50_us": -3', "line 15, column 54"),
        ('"p50_us": 12.5', '"p50_us": true', "no finite number above 0"),
        ('"p50_us": 12.5', '"p50_us": []', "no finite number above 0"),
        ('"p50_us": 12.5', '"p5O_us": 12.5', "'p5O_us' is not known"),
        ('"p50_us": 12.5', '"p50_us": 12.5, "p50_us": 13', "'p50_us' is there twice"),
        ('"p50_us": 12.5', '"p50": 12.5', "mixed units"),
        ('"p50_us": 12.5', '"unit": "ms", "p50_us": 12.5', "mixed units"),
        ('"unit": "GB/s", ', "", "needs a `unit`"),
        ('"higher"', '"up"', "scenarios.copy.direction"),
        ('"p50_us": 12.5', '"samples_us": [1, 0], "p50_us": 12.5', "no finite number above 0"),
        ('"scaffold-placeholder"', '"armed"', "'armed' is no status"),
        ('  "_status": "scaffold-placeholder",\n', "", "_status"),
        ('"0.3.0-scaffold"', '"2.0.0"', "no version that this program reads"),
        ('"0.3.0-scaffold"', "1", "_schema_version"),
        ('"p50_max_ratio": 1.10', '"p50_max_ratio": 0.9', "line 19"),
        ('"p50_max_ratio": 1.10', '"p50_max_ration": 1.1', "'p50_max_ration' is not known"),
        ('"p50_max_ratio": 1.10', '"ips_min_ratio": 1.1', "ips_min_ratio"),
        ('{"handshake": {"p99_max', '{"handshaky": {"p99_max', "no such scenario"),
        ('"tolerance"', '"tolerances"', "'tolerances' is not known"),
        ('"copy": {', '"copy": 3, "x": {', "scenarios.copy"),
        ("    },\n", "    }\n", "line 14, column 5: here should be a comma"),
        ("TODO", "TO\nDO", "line 4"),
        ("handshake", "\\ud800", "half of a surrogate pair"),
        ('"GB/s"', '"\\udfff"', "half of a surrogate pair"),
        ("}\n", "} ]\n", "line"),
    ],
)
def test_a_mistake_of_a_hand_is_named_with_its_place(old: str, new: str, said: str) -> None:
    assert old in SCAFFOLD
    assert said in problem(SCAFFOLD.replace(old, new, 1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("[]", "should hold an object"),
        ("{", "ends too early"),
        ('{"a"', "ends too early"),
        ('{"a": ', "ends too early"),
        ("{} {}", "more behind the end"),
        ("// no comments in JSON\n{}", "line 1, column 1"),
        ('{"a": ' * 60, "nested too deeply"),
        (b'{"_comment": "\xff"}', "byte 15: it is not UTF-8"),
        (b"\xef\xbb\xbf{}", "line 1, column 1"),
    ],
)
def test_text_that_is_no_document_is_refused(text: str | bytes, said: str) -> None:
    assert said in problem(text)


@pytest.mark.parametrize("length", range(0, len(SCAFFOLD.rstrip()), 7))
def test_a_truncated_file_is_refused(length: int) -> None:
    problem(SCAFFOLD[:length])


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(RackbenchError) as caught:
        document.read(Path("/nowhere/baseline.json"))
    assert caught.value.code == "input_missing"


@pytest.mark.parametrize("change", [{"p50_us": 0}, {"p5O_us": 1}, {"direction": "up"}])
def test_the_schema_refuses_what_the_reader_refuses(change: dict[str, Any]) -> None:
    content = json.loads(SCAFFOLD)
    content["scenarios"]["handshake"] |= change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, SCHEMA)
    problem(json.dumps(content))
