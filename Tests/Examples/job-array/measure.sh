#!/bin/sh
#SBATCH --array=1-4
# One task of a job array measures one shard; `fp8c unify` makes one measurement of their files.
#
# usage: measure.sh MODEL BATCHES.npz PREFIX
#
# Slurm sets the two variables; other schedulers have others for them.
set -eu
exec fp8c measure "$1" --calibration "$2" --dump-stats-path "$3" \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" -q
