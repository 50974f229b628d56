# SPDX-License-Identifier: GPL-3.0-or-later
"""How often the gate is wrong on realistic noise, beside simpler ones, and how long it takes. Seeded."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rackbench.baselines import history, statistics
from rackbench.baselines.compare import compare
from rackbench.baselines.numbers import ACTIVE, Baseline, Results, Scenario, Tolerance
from rackbench.baselines.readers import series
from rackbench.baselines.rendering import history_document
from rackbench.baselines.verdicts import REGRESSED
from scipy import stats

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Values = NDArray[np.float64]
    Noise = Callable[[np.random.Generator, int], Values]

THRESHOLD = 1.10
# What does not matter, what is just past the threshold, and what is far past it.
CHANGES = (1.0, 1.05, 1.15, 1.3)
MANY, SAMPLES, LONG = 1_000, 100, 1_000


def lognormal(random: np.random.Generator, size: int) -> Values:
    """Return noise of 5 %, as short times have it."""
    return np.exp(random.normal(0, 0.05, size))


def wide(random: np.random.Generator, size: int) -> Values:
    """Return noise of 20 %, as network and disk have it."""
    return np.exp(random.normal(0, 0.2, size))


def bimodal(random: np.random.Generator, size: int) -> Values:
    """Return two kinds of samples, as with and without boost: 40 % of them are a quarter slower."""
    return np.exp(random.normal(0, 0.02, size)) * np.where(random.random(size) < 0.4, 1.25, 1)


def outliers(random: np.random.Generator, size: int) -> Values:
    """Return noise of 5 %, with one sample of twenty disturbed, and then twice as slow on the average."""
    return lognormal(random, size) * np.where(random.random(size) < 0.05, 1 + random.exponential(1, size), 1)


def drift(random: np.random.Generator, size: int) -> Values:
    """Return samples of which neighbours are alike, as with heat: autoregressive, 0.8 and 8 %."""
    return np.exp(0.08 * autoregressive(random, size, 0.8))


def level(random: np.random.Generator, size: int) -> Values:
    """Return quiet samples of a run with a level of its own, off by 5 %, as the layout of memory gives it."""
    return np.exp(random.normal(0, 0.05) + random.normal(0, 0.01, size))


def autoregressive(random: np.random.Generator, size: int, alike: float) -> Values:
    """Return a series of mean 0 and variance 1, of which neighbours have this correlation."""
    pushes = random.normal(0, math.sqrt(1 - alike**2), size)
    pushes[0] /= math.sqrt(1 - alike**2)
    values = np.empty(size)
    value = 0.0
    for index, push in enumerate(pushes):
        value = alike * value + push
        values[index] = value
    return values


NOISES: tuple[Noise, ...] = (lognormal, wide, bimodal, outliers, drift, level)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--rounds", type=int, default=1_000, help="how many pairs of samples for each figure")


def measure(args: argparse.Namespace) -> None:
    """Print coverage, alarms and speed."""
    print(f"Coverage of 95 % intervals of a ratio, {args.rounds} rounds each")
    _coverage(args.rounds)
    print(
        f"\nCoverage over repeats, {args.rounds} rounds each: all samples as one, and with their executions"
    )
    _repeats(args.rounds)
    print(f"\nWhat the whole gate says where nothing changed, in % of {args.rounds} scenarios")
    _whole(args.rounds)
    print(f"\nAlarms in %, {args.rounds} rounds each; beside a change the methods, threshold {THRESHOLD}")
    _alarms(args.rounds)
    print("\nSteps found in series, in %")
    _steps(max(args.rounds // 5, 1))
    _trend()
    print("\nSpeed")
    _speed()


def _coverage(rounds: int) -> None:
    quantiles = [*statistics.LEAST, None]
    print(f"{'noise':<10} {'number':<6}" + "".join(f" {size:>6}" for size in (6, 20, 40, 100, 400)))
    for noise in NOISES:
        for quantile in quantiles:
            cells = []
            for size in (6, 20, 40, 100, 400):
                random = np.random.default_rng(1)
                pairs = [
                    (statistics.sample(noise(random, size)), statistics.sample(noise(random, size)))
                    for _ in range(rounds)
                ]
                known = [
                    statistics.quantile_ratio(*pair, quantile) if quantile else statistics.mean_ratio(*pair)
                    for pair in pairs
                ]
                inside = [each[0] <= 1 <= each[1] for each in known if each]
                cells.append(f"{100 * sum(inside) / len(inside):6.1f}" if inside else f"{'-':>6}")
            print(
                f"{noise.__name__:<10} {f'p{quantile * 100:g}' if quantile else 'mean':<6} {' '.join(cells)}"
            )


def _repeats(rounds: int) -> None:
    shapes = ((2, 20), (3, 20), (5, 10), (5, 40), (10, 20))
    print(f"{'between':>7} {'within':>7} {'number':<6}" + "".join(f" {f'{m} x {k}':>11}" for m, k in shapes))
    for between, within in ((0.05, 0.01), (0.02, 0.05), (0.0, 0.05)):
        for number, quantile in (("p50", 0.5), ("p95", 0.95), ("mean", None)):
            cells = []
            for executions, size in shapes:
                random = np.random.default_rng(5)
                sides = [
                    np.exp(
                        np.repeat(random.normal(0, between, executions), size)
                        + random.normal(0, within, executions * size)
                    )
                    for _ in range(2 * rounds)
                ]
                shares = [
                    _inside([statistics.sample(side, told) for side in sides], quantile)
                    for told in ((), [size] * executions)
                ]
                cells.append(f" {shares[0]:5.1f} {shares[1]:5.1f}")
            print(f"{between:>7} {within:>7} {number:<6}{''.join(cells)}")


def _inside(samples: list[statistics.Sample], quantile: float | None) -> float:
    """Return in how many percent of the pairs the interval holds 1."""
    inside = 0
    for pair in zip(samples[::2], samples[1::2], strict=True):
        known = statistics.quantile_ratio(*pair, quantile) if quantile else statistics.mean_ratio(*pair)
        inside += known is not None and known[0] <= 1 <= known[1]
    return 200 * inside / len(samples)


def _whole(rounds: int) -> None:
    """Print how often a scenario regressed by any of its four numbers, and when p99 may be twice as large."""
    sizes = (6, 10, 20, 40, 100)
    print(f"{'noise':<10} {'p99 limit':>9}" + "".join(f" {size:>6}" for size in sizes))
    for noise in NOISES:
        for tolerance in (Tolerance(), Tolerance(p99_max_ratio=2.0)):
            cells = []
            for size in sizes:
                random = np.random.default_rng(6)
                sides = [
                    {
                        str(index): series.scenario(
                            str(index), "us", "lower", (1000 * noise(random, size)).tolist()
                        )
                        for index in range(rounds)
                    }
                    for _ in range(2)
                ]
                path = Path("made up")
                baseline = Baseline(path, "1.0.0", ACTIVE, tolerance, {}, sides[0])
                found = compare(baseline, Results(sides[1], "made up", path))
                cells.append(f" {100 * found.counts.get(REGRESSED, 0) / rounds:6.1f}")
            print(f"{noise.__name__:<10} {tolerance.p99_max_ratio:>9}{''.join(cells)}")


def gates(before: Values, after: Values) -> dict[str, bool]:
    """Return which methods raise an alarm."""
    ratio = float(np.median(after) / np.median(before))
    known = statistics.quantile_ratio(statistics.sample(before), statistics.sample(after), 0.5)
    past = ratio > THRESHOLD
    return {
        "threshold": past,
        "t-test": bool(stats.ttest_ind(after, before, equal_var=False, alternative="greater").pvalue < 0.05),
        "gate": past and (known is None or known[0] > 1),
    }


def _alarms(rounds: int) -> None:
    methods = ("threshold", "t-test", "gate", "confirmed")
    print(f"{'noise':<10} {'samples':>7} {'change':>7}" + "".join(f" {name:>10}" for name in methods))
    for noise in NOISES:
        for size in (5, 10, 30, 100):
            for change in CHANGES:
                random = np.random.default_rng(2)
                counts = dict.fromkeys(methods, 0)
                for _ in range(rounds):
                    before, after, again = (noise(random, size) for _ in range(3))
                    found = gates(before, after * change)
                    found["confirmed"] = found["gate"] and gates(before, again * change)["gate"]
                    for name in methods:
                        counts[name] += found[name]
                shares = "".join(f" {100 * counts[name] / rounds:10.1f}" for name in methods)
                print(f"{noise.__name__:<10} {size:>7} {change:>7}{shares}")


def series_noises() -> Iterator[tuple[str, Noise]]:
    """Yield noises from run to run: of 2 %, unless something disturbs."""
    yield "lognormal", lambda random, size: random.normal(0, 0.02, size)
    yield (
        "bimodal",
        lambda random, size: random.normal(0, 0.01, size) + np.where(random.random(size) < 0.3, 0.05, 0),
    )
    yield "two values", lambda random, size: np.where(random.random(size) < 0.3, 0.05, 0.0)
    yield (
        "outliers",
        lambda random, size: (
            random.normal(0, 0.02, size)
            + np.where(random.random(size) < 0.05, random.exponential(0.3, size), 0)
        ),
    )
    yield "drift 0.5", lambda random, size: 0.02 * autoregressive(random, size, 0.5)
    yield "drift 0.8", lambda random, size: 0.02 * autoregressive(random, size, 0.8)


def _steps(rounds: int) -> None:
    """Print how often a step of 5 % is found within 5 points, and how often one is where none is."""
    print(
        f"{'noise':<10} {'points':>7} {'false':>7} {'found':>7}   threshold 1.05 x median of 10: false, found"
    )
    for name, noise in series_noises():
        for size in (30, 100, 300):
            random = np.random.default_rng(3)
            counts = np.zeros(4)
            for _ in range(rounds):
                calm, moved = noise(random, size), noise(random, size)
                cut = int(random.integers(12, size - 11))
                moved[cut:] += math.log(1.05)
                near = [step for step in history.steps(np.exp(moved).tolist()) if abs(step.at - cut) <= 5]
                alarms = _threshold_alarms(np.exp(calm)), _threshold_alarms(np.exp(moved))
                found = bool(history.steps(np.exp(calm).tolist())), bool(near)
                counts += (*found, bool(alarms[0]), any(abs(at - cut) <= 5 for at in alarms[1]))
            shares = 100 * counts / rounds
            print(
                f"{name:<10} {size:>7} {shares[0]:7.1f} {shares[1]:7.1f} {shares[2]:12.1f} {shares[3]:7.1f}"
            )


def _trend() -> None:
    """Print how many steps a steady trend is taken for."""
    for noise in (0.005, 0.01, 0.02):
        random = np.random.default_rng(7)
        trend = np.linspace(0, math.log(1.22), 100)
        counts = [
            len(history.steps(np.exp(trend + random.normal(0, noise, 100)).tolist())) for _ in range(20)
        ]
        print(f"a trend of 22 % over 100 results, noise {noise}: {np.median(counts):.0f} steps")


def _threshold_alarms(values: Values) -> list[int]:
    return [at for at in range(10, len(values)) if values[at] > 1.05 * np.median(values[at - 10 : at])]


def _speed() -> None:
    random = np.random.default_rng(4)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _timings(folder / "before.json", random, 1.0)
        # All of them past every limit: the most that there is to do.
        _timings(folder / "after.json", random, 2.0)
        baseline = {"_schema_version": "1.0.0", "_status": "scaffold-placeholder", "scenarios": {}}
        (folder / "baseline.json").write_text(json.dumps(baseline))
        took = {
            action: _command(folder, action, results)
            for action, results in (("update", "before.json"), ("compare", "after.json"))
        }
    print(f"{MANY} scenarios x {SAMPLES} samples, whole command: compare {took['compare']:.1f} s (aim: 5 s)")
    runs = []
    for point in range(LONG):
        values = np.exp(random.normal(0, 0.02, MANY)) * (1.1 if point > LONG / 2 else 1)
        runs.append(
            Results(
                {
                    name: Scenario(name, "us", float(value), None, None, None, "lower")
                    for name, value in zip(map(str, range(MANY)), values, strict=True)
                },
                "made up",
                Path(str(point)),
            )
        )
    began = time.perf_counter()
    found = history.series(runs)
    history_document(found, [])
    print(f"{MANY} series x {LONG} points of history: {time.perf_counter() - began:.1f} s (aim: 60 s)")
    print(f"series with the one step that they have: {sum(len(each.steps) == 1 for each in found)} of {MANY}")


def _timings(path: Path, random: np.random.Generator, factor: float) -> None:
    """Write times in seconds as hyperfine does."""
    results = []
    for index in range(MANY):
        times = (factor * lognormal(random, SAMPLES)).tolist()
        numbers = {"mean": float(np.mean(times)), "median": float(np.median(times))}
        results.append({"command": f"scenario {index}", **numbers, "times": times})
    path.write_text(json.dumps({"results": results}))


def _command(folder: Path, action: str, results: str) -> float:
    command = [str(Path(sys.executable).parent / "rackbench"), "baseline", action]
    began = time.perf_counter()
    subprocess.run(
        [*command, "--baseline", "baseline.json", "--results", results],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - began
