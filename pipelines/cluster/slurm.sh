#!/bin/bash
# Stage 1 on a Slurm cluster: one job hashes the clips, an array extracts a part of them in each task, and a last
# job merges the parts. Run it on the login node, in a folder that all nodes share:
#
#   pipelines/cluster/slurm.sh my.yaml 64                       # 64 tasks, into features.sqlite
#   CPUS=8 CACHE=ucf.sqlite pipelines/cluster/slurm.sh my.yaml 16 --partition=long --time=24:00:00
#
# What follows the number of tasks goes to sbatch. A task that is killed, preempted or out of time goes on where it
# stopped when Slurm starts it again. The same command continues after failures: what is there is not done twice.
set -euo pipefail

zoetrope=${ZOETROPE:-zoetrope}
cache=${CACHE:-features.sqlite}

# Some videos could not be extracted (3): that is in the table `failure`, and no reason to hold up the rest.
tolerate() {
  local status=0
  "$@" || status=$?
  if [ "$status" -eq 3 ]; then return 0; fi
  return "$status"
}

if [ -z "${STEP:-}" ]; then
  pipeline=${1:?usage: $0 PIPELINE TASKS [options of sbatch]}
  tasks=${2:?usage: $0 PIPELINE TASKS [options of sbatch]}
  shift 2
  script=$(realpath "$0")
  submit() { sbatch --parsable --requeue --open-mode=append --kill-on-invalid-dep=yes "$@" "$script" "$pipeline" "$tasks"; }
  hash=$(STEP=hash submit --job-name=zoetrope-hash --cpus-per-task="${CPUS:-2}" --output=zoetrope-hash.log "$@")
  extract=$(STEP=extract submit --job-name=zoetrope-extract --dependency="afterok:$hash" --array="1-$tasks" \
    --cpus-per-task="${CPUS:-2}" --signal=B:TERM@120 --output=zoetrope-extract-%a.log "$@")
  merge=$(STEP=merge submit --job-name=zoetrope-merge --dependency="afterok:$extract" --output=zoetrope-merge.log "$@")
  echo "hash $hash, extract $extract (1-$tasks), merge $merge into $cache"
  exit
fi

pipeline=$1
case $STEP in
  hash)
    tolerate "$zoetrope" dataset "$pipeline" --digests "$cache.digests" --workers "${SLURM_CPUS_PER_TASK:-2}" ;;
  extract)
    "$zoetrope" extract "$pipeline" --cache "$cache" --shard auto --digests "$cache.digests" \
      --workers "${SLURM_CPUS_PER_TASK:-2}" &
    # Near the end of its time the task stores what it has and queues again; so it does when it was killed.
    trap 'kill -TERM $! 2>/dev/null || true' TERM
    status=0
    wait $! || status=$?
    if [ "$status" -eq 143 ]; then
      status=0
      wait $! || status=$?
    fi
    if [ "$status" -eq 0 ] || [ "$status" -eq 3 ]; then exit 0; fi
    if [ "$status" -gt 128 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 20 ]; then
      scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
      sleep 60
    fi
    exit "$status" ;;
  merge)
    stem=${cache%.sqlite}
    tolerate "$zoetrope" cache merge "$cache" "$stem".shard-*-of-"$2".sqlite ;;
esac
