#!/usr/bin/env bash
# One run on many GPUs under Slurm, requeued until it is finished. Arguments are those of `electra pretrain`.
#   sbatch --nodes 4 --gpus-per-node 8 --ntasks-per-node 8 recipes/slurm.sh --preset large --data data/mine --out runs/large
# Seeds of fine-tuning are independent jobs; afterwards the same command without --part collects them:
#   sbatch --array 0-7 --gpus 1 --wrap 'electra finetune runs/large --train train.jsonl --dev dev.jsonl --seeds 8 --part $SLURM_ARRAY_TASK_ID/8'
# srun starts the processes, as it keeps their exit codes, which torchrun turns into 1 (docs/howto/many_gpus.md).
#SBATCH --job-name=electra
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=TERM@120
set -uo pipefail
MASTER_ADDR="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"
export MASTER_ADDR
export MASTER_PORT="${MASTER_PORT:-$((20000 + SLURM_JOB_ID % 20000))}"
export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"
export ELECTRA="${ELECTRA:-python -m electra}"

# Two minutes before the time is over --signal sends SIGTERM to the processes, which save and end with 75.
srun --kill-on-bad-exit=1 --wait=120 bash -c '
  export RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID WORLD_SIZE=$SLURM_NTASKS
  exec $ELECTRA pretrain "$@"' pretrain "$@"
code=$?
# 75: stopped and saved; 6: another process was lost; above 128: killed. All else needs a person, and so does a job that
# is killed again and again. Slurm lets a requeued job wait for two minutes.
again=false
if [ "$code" -eq 75 ] || [ "$code" -eq 6 ] || [ "$code" -gt 128 ]; then
  again=true
fi
if $again && [ "${SLURM_RESTART_COUNT:-0}" -lt "${RESTARTS:-100}" ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
