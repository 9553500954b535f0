#!/usr/bin/env bash
# try-slurm.sh [SHARDS]: runs slurm.sbatch on a real Slurm, a controller and a
# node on this machine, of the packages slurm-wlm and munge (installed if they
# are missing, as root). Tasks of score, eval and ablate, 4 shards each unless
# told otherwise, are killed, requeued and run again; what is merged must have
# the bytes of one run. Takes two minutes. Nothing outside a temporary folder is written. Exit code 77: Slurm cannot be had or started here, and nothing was tried.
set -euo pipefail
cd "$(dirname "$0")"
jobs=$PWD/slurm.sbatch
shards=${1-4}
root=$(cd ../.. && pwd)

no() { echo "try-slurm: $*" >&2; exit 77; }
[ "$(id -u)" = 0 ] || no "needs root, to start Slurm's controller and node"
if ! command -v slurmctld >/dev/null || ! command -v slurmd >/dev/null || ! command -v munged >/dev/null; then
  command -v apt-get >/dev/null || no "slurm-wlm is not installed, and there is no apt-get to install it"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge; } >/dev/null 2>&1 || no "slurm-wlm and munge could not be installed"
fi

dir=$(mktemp -d)
started=()
end() {
  code=$?
  [ "$code" = 0 ] || tail -n 5 "$dir"/*.log "$dir"/work/*.log >&2 2>/dev/null || true
  for p in "${started[@]}"; do kill "$(cat "$p" 2>/dev/null)" 2>/dev/null || true; done
  sleep 1
  rm -rf "$dir"
  exit "$code"
}
trap end EXIT
mkdir "$dir/state" "$dir/spool" "$dir/munge" "$dir/work"
chmod 755 "$dir"

CGO_ENABLED=0 go build -C "$root" -o "$dir/headprof" ./cmd/headprof

head -c 64 /dev/urandom >"$dir/munge/key"
chmod 400 "$dir/munge/key"
munged --force --socket="$dir/munge/socket" --key-file="$dir/munge/key" --pid-file="$dir/munge.pid" --log-file="$dir/munged.log" --seed-file="$dir/munge/seed" || no "munged does not start on this machine"
started+=("$dir/munge.pid")
host=$(hostname -s)
export SLURM_CONF=$dir/slurm.conf
cat >"$SLURM_CONF" <<C
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=36817
SlurmdPort=36818
AuthType=auth/munge
# A requeued job waits until its credential has expired: 120 seconds by default.
AuthInfo=socket=$dir/munge/socket,cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=1,bf_interval=2
ReturnToService=2
JobRequeue=1
MpiDefault=none
# The node counts as one with four processors, whatever it has.
SlurmdParameters=config_overrides
SlurmUser=root
SlurmctldPidFile=$dir/ctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmdSpoolDir=$dir/spool
StateSaveLocation=$dir/state
SlurmctldLogFile=$dir/ctld.log
SlurmdLogFile=$dir/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 RealMemory=4096 State=UNKNOWN
PartitionName=p Nodes=$host Default=YES MaxTime=INFINITE State=UP
C
slurmctld -f "$SLURM_CONF" || no "slurmctld does not start on this machine"
started+=("$dir/ctld.pid")
slurmd -f "$SLURM_CONF" || no "slurmd does not start on this machine"
started+=("$dir/slurmd.pid")
for _ in $(seq 30); do sinfo -h -o %t 2>/dev/null | grep -q idle && break; sleep 1; done
sinfo -h -o %t 2>/dev/null | grep -q idle || { tail -n 5 "$dir"/*.log >&2; no "Slurm's controller and node do not start on this machine"; }

cd "$dir/work"
# sbatch reads no variable for CPUs and memory of a task: the copy asks for less.
sed -e 's/--cpus-per-task=8/--cpus-per-task=1/; s/--mem=[0-9]*G/--mem=500M/' "$jobs" >"$dir/slurm.sbatch"
jobs=$dir/slurm.sbatch

lines() { cat "$1" 2>/dev/null | wc -l; }
until_lines() { # FILE N: until a running task has written so many lines
  for _ in $(seq 1200); do [ "$(lines "$1")" -ge "$2" ] && return; sleep 0.05; done
  echo "$1 has $(lines "$1") lines, not $2" >&2
  return 1
}
finish() { # JOB: waits until a job has left the queue
  for _ in $(seq 300); do [ -z "$(squeue -h -j "$1" 2>/dev/null)" ] && return; sleep 1; done
  squeue >&2
  return 1
}
ids() { sed -n 's/^array \([0-9]*\), merge \([0-9]*\);.*/\1 \2/p'; }
shard() { printf "%0${#shards}d-of-%d" "$1" "$shards"; }

# try COMMAND JOURNAL OPTIONS FILE...: one array of tasks in a folder of its own,
# with one task requeued, one stopped at its time limit and one killed, in which
# FILEs must be those of one run.
try() {
  local command=$1 journal=$2 options=$3 array merge task restarts pid=()
  shift 3
  mkdir "$command"
  cd "$command"
  "$dir/headprof" "$command" --quiet $options --out whole 2>/dev/null
  submit() { MODEL='' SHARDS=$shards COMMAND=$command OPTIONS=$options HEADPROF=$dir/headprof bash "$jobs" "$@"; }

  read -r array merge < <(submit | ids)
  echo "$command: array $array, merge $merge"
  # The three are held in the middle of their work, however fast the machine is.
  for task in 1 2 3; do
    until_lines "runs/$(shard $task)/$journal" 5
    pid[task]=$(sed -n '1s/ .*//p' "runs/$(shard $task)/.lock")
    kill -STOP "${pid[task]}"
  done
  scontrol requeue "${array}_1"                # as a preemption does
  scancel --batch --signal=USR1 "${array}_2"   # as the time limit does
  kill -KILL "${pid[3]}"                       # as a machine out of memory does
  kill -CONT "${pid[1]}" "${pid[2]}" || true
  finish "$merge"
  cat headprof-merge-*.log
  grep -q '^  Slurm       --array=3$' headprof-merge-*.log
  grep -q 'unfinished: 3, in' headprof-merge-*.log
  for task in 1 2; do
    restarts=$(scontrol -o show job "${array}_$task" | sed -n 's/.*Restarts=\([0-9]*\).*/\1/p')
    [ "$restarts" -ge 1 ] || { echo "task $task was not requeued" >&2; exit 1; }
  done

  read -r array merge < <(submit "$(sed -n 's/^  Slurm  *//p' headprof-merge-*.log)" | ids)
  echo "$command: array $array, merge $merge"
  finish "$merge"
  for file; do cmp "profile/$file" "whole/$file"; done
  cd ..
}

try score trials.jsonl "--count $((shards * 150))" scores.csv scores.parquet trials.parquet headkv.json retrieval.json heads.png ranking.png layers.png needle.png
try eval eval.jsonl "--count $((shards * 60)) --scores $dir/work/score/whole" eval.csv eval.parquet eval-needle-retrieval.png
try ablate ablate.jsonl "--count $((shards * 20)) --scores $dir/work/score/whole" ablate.csv ablate.parquet ablate.png
echo "try-slurm: score, eval and ablate in $shards shards, of each one requeued, one stopped at its time limit, one killed and run again: the bytes of one run"
