#!/usr/bin/env python3
"""Long tests of the built command. Each group prints what it ran and what it found, and fails where it found anything.

    soak.py --fp8c .build/release/fp8c [--count GROUP=N ...] [--seed N] [GROUP ...]
"""

import argparse
import collections
import concurrent.futures
import os
import sys
import time

import faults
import graphs
import planted
from mutants import Mutants

HERE = os.path.dirname(os.path.abspath(__file__))
COUNTS = {"models": 100_000, "texts": 10_000, "json": 20_000, "npz": 2_000, "faults": 100_000, "lasting": 1_000, "limits": 1, "kills": 500,
          "disks": 4, "graphs": 2_000, "planted": 500}


def mutant(job):
    maker, group, seed = job
    return maker.one(group, seed)


def mutants(options, group, count):
    """Runs `count` mutants side by side; gives how many, what they ended with, and the faults."""
    maker = Mutants(options.fp8c, os.path.join(HERE, "found"))
    jobs = ((maker, group, f"{options.seed}.{index}") for index in range(count))
    statuses, found = collections.Counter(), []
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        for status, fault in pool.map(mutant, jobs, chunksize=16):
            statuses[status] += 1
            if fault:
                found.append(fault)
    return f"{count} mutants, statuses {dict(sorted(statuses.items()))}", found


GROUPS = {"models": mutants, "texts": mutants, "json": mutants, "npz": mutants,
          "faults": faults.injections, "lasting": faults.lasting, "limits": faults.limits, "kills": faults.kills, "disks": faults.full_disks, "graphs": graphs.graphs,
          "planted": planted.faults}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fp8c", default=".build/release/fp8c")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--count", action="append", default=[], metavar="GROUP=N")
    parser.add_argument("groups", nargs="*")
    options = parser.parse_args()
    options.fp8c = os.path.abspath(options.fp8c)
    # A binary built for coverage would leave its counts in the folders that are looked at.
    os.environ["LLVM_PROFILE_FILE"] = "/dev/null"
    counts = dict(COUNTS)
    for text in options.count:
        group, _, number = text.partition("=")
        counts[group] = int(number)
    failed = False
    for group in options.groups or counts:
        start = time.monotonic()
        summary, found = GROUPS[group](options, group, counts[group])
        print(f"{group}: {summary}; {len(found)} wrong, {time.monotonic() - start:.0f} s", flush=True)
        for fault in found[:50]:
            print(f"  {fault}", flush=True)
        failed = failed or bool(found)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
