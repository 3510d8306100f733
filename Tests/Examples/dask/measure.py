"""Measures the shards of a model's calibration batches on Dask workers and makes one measurement of them.

usage: measure.py MODEL BATCHES.npz PREFIX SHARDS [SCHEDULER]

SCHEDULER is the address of a scheduler whose workers have fp8c and the files at these paths; without one,
two worker processes are started on this machine. The result is PREFIX_hooks_maxabs.json with its archive,
the same bytes as of one run over all batches.
"""

import os
import subprocess
import sys

from distributed import Client, LocalCluster


def measure(model, batches, prefix, shard, shards):
    """Runs on a worker; gives the path of the shard's measurement."""
    subprocess.run(
        ["fp8c", "measure", model, "--calibration", batches, "--dump-stats-path", prefix,
         "--shard", f"{shard}/{shards}", "-q"], check=True)
    return f"{prefix}_hooks_maxabs_{shard - 1}_{shards}.json", os.getpid()


def main(model, batches, prefix, shards, scheduler=None):
    shards = int(shards)
    model, batches, prefix = (os.path.abspath(path) for path in (model, batches, prefix))
    cluster = scheduler or LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None)
    with Client(cluster) as client:
        futures = [
            client.submit(measure, model, batches, prefix, shard, shards)
            for shard in range(1, shards + 1)]
        results = client.gather(futures)
    print(f"{len(results)} shards by {len({pid for _, pid in results})} workers")
    subprocess.run(
        ["fp8c", "unify", *(path for path, _ in results), "-o", f"{prefix}_hooks_maxabs.json",
         "-q"], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
