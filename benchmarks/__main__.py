"""Run workloads on each engine in turn (A B A B …) and print medians and ratios."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks import engines, image
from benchmarks.client import ApiError, Engine
from benchmarks.workloads import WORKLOADS

Samples = dict[str, dict[str, list[float]]]
"""Figure → engine → samples."""


def main() -> None:
    """Parse the arguments, run, report."""
    options = _options()
    if os.geteuid() != 0:
        raise SystemExit("benchmarks start engines, which needs root")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bb-", dir=options.workdir)))
        found = _engines(options, folder, stack)
        archive = image.archive()
        for engine in found:
            engine.load(archive)
        samples = measure(found, options.only, options.scale)
    if options.json:
        Path(options.json).write_text(json.dumps(samples, indent=1))
    print(report(samples, [engine.name for engine in found]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--only", default=list(WORKLOADS), type=lambda text: text.split(","), metavar="NAME,NAME")
    parser.add_argument("--scale", type=float, default=1.0, help="more (2) or fewer (0.2) repetitions")
    parser.add_argument("--engine", action="append", default=[], metavar="NAME=SOCKET", help="a running engine instead")
    parser.add_argument("--workdir", default="/tmp", help="where the engines' data go (short: socket paths)")
    parser.add_argument("--json", metavar="FILE", help="keep every sample")
    options = parser.parse_args()
    unknown = set(options.only) - set(WORKLOADS)
    if unknown:
        parser.error(f"no workload {sorted(unknown)[0]!r}; there are {', '.join(WORKLOADS)}")
    return options


def _engines(options: argparse.Namespace, folder: Path, stack: ExitStack) -> list[Engine]:
    if options.engine:
        pairs = (text.partition("=") for text in options.engine)
        return [Engine(name, path.removeprefix("unix://")) for name, _, path in pairs]
    starters = {"docker": engines.docker} if engines.is_docker_installed() else {}
    starters["berth"] = engines.berth
    found = []
    for name, starter in starters.items():
        (folder / name).mkdir()
        found.append(stack.enter_context(starter(folder / name)))
    return found


def measure(found: list[Engine], names: list[str], scale: float) -> Samples:
    """Run the workloads, engine by engine within each repetition; the first repetition only warms up."""
    samples: Samples = {}
    for name in names:
        work, times = WORKLOADS[name]
        count = max(1, round(times * scale))
        for repetition in range(count + (count > 1)):
            for engine in found:
                print(f"\r{name} {repetition}/{count} {engine.name}    ", end="", file=sys.stderr, flush=True)
                try:
                    figures = work(engine)
                except (ApiError, OSError) as error:
                    print(f"\n{name}: {engine.name}: {error}", file=sys.stderr)
                    continue
                if repetition or count == 1:
                    for figure, value in figures.items():
                        samples.setdefault(figure, {}).setdefault(engine.name, []).append(value)
    print(file=sys.stderr)
    return samples


def report(samples: Samples, names: list[str]) -> str:
    """Return a Markdown table: the median on each engine, and what the last is of the first."""
    reference, ours = names[0], names[-1]
    rows = [f"| work | {' | '.join(names)} | {ours} ÷ {reference} |", "| --- |" + " ---: |" * (len(names) + 1)]
    for figure, by_engine in samples.items():
        medians = {name: statistics.median(values) for name, values in by_engine.items()}
        cells = [f"{medians[name]:.3g}" if name in medians else "failed" for name in names]
        both = len(names) > 1 and reference in medians and ours in medians
        ratio = f"{medians[ours] / medians[reference]:.2f}" if both else "-"
        rows.append(f"| {figure} | {' | '.join(cells)} | {ratio} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
