# SPDX-License-Identifier: Apache-2.0
"""Writes the summary as a Markdown page for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from system_info.collect import CAPTURED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from system_info.collect import Outcome


def profile(summary: dict[str, Any], outcomes: Sequence[Outcome]) -> str:
    """The page system_profile.md. A fact that is not known reads "Unknown"."""
    cpu, memory, software = summary["cpu"], summary["memory"], summary["software"]
    dmi = software["system_dmi"]
    total = memory["total_gib"]
    missing = [o for o in outcomes if o.status != CAPTURED]
    parts = [
        f"# System Profile: {_cell(summary['host']['name'])}",
        "## Identification",
        _fields(
            ("Hostname", summary["host"]["name"]),
            ("Manufacturer", dmi.get("Manufacturer")),
            ("Product", dmi.get("Product Name")),
            ("OS", software["pretty_name"]),
            ("Kernel", software["kernel"]),
            ("Virtual machine", summary["virtual"]["machine"]),
            ("Container", summary["virtual"]["container"]),
            ("Captured at", summary["captured_at"]),
        ),
        "## CPU",
        _fields(
            ("Model", ", ".join(cpu["model_names"])),
            ("Architecture", cpu["architecture"]),
            ("Vendor", cpu["vendor"]),
            ("Sockets", cpu["sockets"]),
            ("Physical cores", cpu["physical_cores"]),
            ("Logical CPUs", cpu["logical_cores"]),
            ("Threads per core", cpu["threads_per_core"]),
            ("NUMA nodes", cpu["numa_nodes"]),
            ("Base MHz", cpu["base_mhz"]),
            ("Max MHz", cpu["max_mhz"]),
            ("Governor", cpu["governor"]),
            ("L1d cache", _with_unit(cpu["l1d_cache_kib"], "KiB")),
            ("L1i cache", _with_unit(cpu["l1i_cache_kib"], "KiB")),
            ("L2 cache", _with_unit(cpu["l2_cache_kib"], "KiB")),
            ("L3 cache", _with_unit(cpu["l3_cache_kib"], "KiB")),
        ),
        "## Memory",
        _fields(
            ("Total memory", f"{total:.1f} GiB" if total is not None else None),
            ("Populated DIMMs / devices", _of(memory["populated_count"], memory["slot_count"])),
            ("Memory type", memory["memory_type"]),
            ("Memory speed", memory["memory_speed"]),
        ),
        "## Storage",
        _table(
            ("Device", "Type", "Size", "Model"),
            [[d.get(k) for k in ("name", "type", "size", "model")] for d in summary["storage"]["devices"]],
        ),
        "## Network",
        _table(
            ("Description", "Product", "Logical name", "Driver"),
            [
                [i.get("description"), i.get("product"), i.get("logical name"), _driver(i)]
                for i in summary["network"]["interfaces"]
            ],
        ),
        "## Collection",
        _table(("Status", "Count"), [list(item) for item in summary["collection"]["status_counts"].items()]),
    ]
    if missing:
        parts.append(
            _table(("Missing", "Status", "Reason"), [[o.capture.name, o.status, o.reason] for o in missing])
        )
    parts += [
        "## Artifacts",
        "- Raw outputs are stored under `raw/`.\n- Topology artifacts are stored under `topology/`.",
    ]
    return "\n\n".join(parts) + "\n"


def _fields(*rows: tuple[str, object]) -> str:
    return _table(("Field", "Value"), [list(row) for row in rows])


def _table(heads: tuple[str, ...], rows: list[list[Any]]) -> str:
    body = [heads, ("---",) * len(heads), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in row) + " |" for row in body)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "Unknown"
    return " ".join(str(value).split()).replace("\\", "\\\\").replace("|", "\\|")


def _with_unit(value: object, unit: str) -> str | None:
    return None if value is None else f"{value} {unit}"


def _of(part: object, whole: object) -> str | None:
    return None if part is None or whole is None else f"{part} / {whole}"


def _driver(interface: dict[str, str]) -> str | None:
    settings = (word.partition("=") for word in interface.get("configuration", "").split())
    return next((value for name, _equals, value in settings if name == "driver"), None)
