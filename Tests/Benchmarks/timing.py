"""Whole processes side by side: wall time, processor time and peak memory, and a table of their ratios."""

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass


@dataclass
class Run:
    seconds: float
    cpu: float
    peak: int  # bytes


def run(command):
    """Runs a command to its end; what it says is shown where it fails.

    By GNU time: a child of this process would begin with this process's own peak memory.
    """
    with tempfile.NamedTemporaryFile("r") as report:
        start = time.perf_counter()
        done = subprocess.run(
            ["/usr/bin/time", "-q", "-f", "%U %S %M", "-o", report.name, *command], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        seconds = time.perf_counter() - start
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: status {done.returncode}\n{done.stdout.decode(errors='replace')}")
        user, system, peak = report.read().split()
    return Run(seconds, float(user) + float(system), int(peak) * 1024)


def alternate(rounds, *sides):
    """Medians of functions that each run something once, in turn, so that all see the same machine."""
    runs = [[] for _ in sides]
    for _ in range(rounds):
        for side, done in zip(sides, runs):
            done.append(side())
    return [
        Run(*(statistics.median(getattr(one, field) for one in done) for field in ("seconds", "cpu")), max(one.peak for one in done))
        for done in runs
    ]


class Table:
    """Rows of a figure, what it is compared with, and their ratio beside its limit."""

    def __init__(self):
        self.rows = []
        print(f"{'':46}{'fp8c':>12}{'beside':>12}{'ratio':>8}{'limit':>8}")

    def ratio(self, name, value, beside, unit="s", limit=None):
        self._row(name, value, unit, beside, value / beside, limit)

    def figure(self, name, value, unit, limit=None):
        """A figure with a limit of its own."""
        self._row(name, value, unit, None, None, limit)

    def _row(self, name, value, unit, beside, ratio, limit):
        self.rows.append({"name": name, "value": value, "unit": unit, "beside": beside, "ratio": ratio, "limit": limit})
        judged = value if ratio is None else ratio
        over = "  over" if limit is not None and judged > limit else ""
        other = "" if beside is None else f"{beside:.3g} {unit}"
        share = "" if ratio is None else f"{ratio:.2f}"
        bound = "" if limit is None else f"{limit:g}"
        print(f"{name:46}{f'{value:.3g} {unit}':>12}{other:>12}{share:>8}{bound:>8}{over}", flush=True)

    def append(self, path):
        """One line of JSON per run of the harness."""
        record = {"time": int(time.time()), "processor": platform.processor() or platform.machine(), "rows": self.rows}
        with open(path, "a") as file:
            file.write(json.dumps(record) + "\n")
