#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Geekbench 5 to 7 on Linux: it talks like it, measures nothing, and says so. It uploads nothing.

It is started by the launcher beside it, as the real program is. `standin.json` beside it says what it does:
`{"version": "6.5.0", "mode": MODE, "licence_sha256": DIGEST, "claim_key_reversed": "857453", "ends_after": null}`.
The modes are in README.md.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SETTINGS = json.loads((HERE / "standin.json").read_text())
VERSION, MODE = SETTINGS["version"], SETTINGS["mode"]
MAJOR = VERSION.partition(".")[0]
WORKLOADS = {
    "5": ["AES-XTS", "Text Compression", "Navigation", "Gaussian Blur", "Machine Learning"],
    "6": ["File Compression", "Navigation", "HTML5 Browser", "Clang", "Ray Tracer", "Structure from Motion"],
    "7": ["File Compression", "Navigation", "PDF Viewer", "Clang", "Photo Editor"],
}
RESULT = f"https://browser.geekbench.com/v{MAJOR}/cpu/900000000000001"
FREE_SWITCHES = {"--cpu", "--sysinfo", "--help", "-h"}
PRO_SWITCHES = {"--upload", "--no-upload", "--single-core", "--multi-core"}


def say(text: str = "") -> None:
    """Print a line at once."""
    print(text, flush=True)


def is_unlocked() -> bool:
    """Say whether the right preferences lie beside the program."""
    try:
        licence = (HERE / f"Geekbench {MAJOR}.preferences").read_bytes()
    except OSError:
        return False
    return hashlib.sha256(licence).hexdigest() == SETTINGS["licence_sha256"]


def banner(*, unlocked: bool) -> None:
    """Print what the program is, and what it cannot do."""
    edition = " Preview" if MODE == "preview" else " Pro" if unlocked else " Tryout" if MAJOR == "5" else ""
    say(f"Geekbench {VERSION}{edition} : https://www.geekbench.com/")
    say()
    say("(This is a stand-in of Rackbench. All that it tells is simulated.)")
    say()
    if not unlocked:
        say(f"Geekbench {MAJOR} needs the internet here, and uploads by itself.")
        say()


def options(arguments: list[str], *, unlocked: bool) -> dict[str, str]:
    """Return the switches with their values; exit as the real program does for one that it does not take."""
    found: dict[str, str] = {}
    rest = iter(arguments)
    for word in rest:
        if unlocked and word == "--export-json":
            found[word] = next(rest)
        elif (
            word in FREE_SWITCHES
            or (unlocked and word in PRO_SWITCHES)
            or (MODE != "preview" and word == "--upload")
        ):
            found[word] = ""
        else:
            say(f"Usage: ./geekbench{MAJOR} [ options ]")
            sys.exit(255)
    return found


def run(sections: list[str]) -> None:
    """Pretend to run all workloads."""
    for section in sections:
        say(section)
        for position, name in enumerate(WORKLOADS[MAJOR]):
            say(f"  Running {name}")
            if section == "Multi-Core" and position == 1:
                if MODE == "truncated":
                    sys.exit(0)
                while MODE == "hang":
                    time.sleep(3600)
        say()
    say()


def wait_for(path: str | None) -> None:
    """Wait until somebody who looks at this process has made a file; a minute at most."""
    deadline = time.monotonic() + 60
    while path and not Path(path).exists() and time.monotonic() < deadline:
        time.sleep(0.02)


def export(sections: list[str]) -> str:
    """Return the document that Pro exports."""
    made = [
        {
            "name": section,
            "score": 2000 * factor,
            "workloads": [
                {
                    "name": name,
                    "score": (1900 + 10 * position) * factor,
                    "rate": 1.5,
                    "rate_string": "1.50 pages/sec",
                }
                for position, name in enumerate(WORKLOADS[MAJOR])
            ],
        }
        for section, factor in (("Single-Core", 1), ("Multi-Core", 4))
        if section in sections
    ]
    scores = {each["name"]: each["score"] for each in made}
    return json.dumps(
        {
            "simulated": True,
            "version": f"Geekbench {VERSION}",
            "runtime": 1.0,
            "options": {"iterations": 1, "cpu_workers": 0, "workload_gap": 2000},
            "score": scores.get("Single-Core", 0),
            "multicore_score": scores.get("Multi-Core", 0),
            "sections": made,
        }
    )


def upload() -> None:
    """Pretend to upload. A failure does not show in the exit code."""
    say("Uploading results to the Geekbench Browser. This could take a minute or two ")
    say("depending on the speed of your internet connection.")
    say()
    if MODE == "upload-failure":
        say("HTTP response code 403 (Forbidden)")
        return
    say("Upload succeeded. Visit the following link and view your results online:")
    say()
    say(f"  {RESULT}")
    say()
    say("Visit the following link and add this result to your profile:")
    say()
    say(f"  {RESULT}/claim?key={SETTINGS['claim_key_reversed'][::-1]}")
    say()


def main(arguments: list[str]) -> None:
    """Do as Geekbench does."""
    unlocked = MODE != "preview" and is_unlocked()
    if MODE == "switch-refused" and "--sysinfo" not in arguments:
        unlocked = False
    banner(unlocked=unlocked)
    asked = options(arguments, unlocked=unlocked)
    say("System Information")
    say("  Operating System              A simulated one")
    say()
    if "--sysinfo" in asked:
        return
    sections = [name for name in ("Single-Core", "Multi-Core") if f"--{name.lower()}" in asked]
    sections = sections or ["Single-Core", "Multi-Core"]
    run(sections)
    if unlocked:
        say("Benchmark Summary")
        for each in json.loads(export(sections))["sections"]:
            say(f"  {each['name']} Score          {each['score']}")
        say()
    if "--export-json" in asked:
        wait_for(SETTINGS["ends_after"])
        Path(asked["--export-json"]).write_text(export(sections))
    if "--no-upload" not in asked:
        upload()


if __name__ == "__main__":
    main(sys.argv[1:])
