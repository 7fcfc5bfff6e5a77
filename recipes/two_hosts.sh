#!/usr/bin/env bash
# One run on several hosts without a scheduler: start this on each of them, the first one with RANK=0.
#   FIRST=10.0.0.1 RANK=0 recipes/two_hosts.sh --preset base --data data/mine --out runs/base    # on 10.0.0.1
#   FIRST=10.0.0.1 RANK=1 recipes/two_hosts.sh --preset base --data data/mine --out runs/base    # on the other
# HOSTS (2) and PROCESSES on each (its GPUs, otherwise 1) as needed; ADDRESS is this host's own if it has several, and
# INTERFACE the network card that leads to the others. The data must be on every host, the run's folder on the first only.
# A process that dies is started again with all others, RESTARTS times, from the last checkpoint.
set -euo pipefail
: "${FIRST:?the address of the first host}" "${RANK:?the number of this host, from 0}"
PYTHON="${PYTHON:-python}"
GPUS="$(nvidia-smi --list-gpus 2>/dev/null | wc -l || true)"
PROCESSES="${PROCESSES:-$((GPUS > 0 ? GPUS : 1))}"

# Otherwise a restart on several hosts would use the addresses of the dead processes.
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
if [ -n "${INTERFACE:-}" ]; then
  export GLOO_SOCKET_IFNAME="$INTERFACE" NCCL_SOCKET_IFNAME="$INTERFACE"
fi
host=false
if [ "$RANK" = 0 ]; then
  host=true
fi
# is_host is said, as torchrun guesses it from the host's name, and waits for ever where that is wrong.
exec $PYTHON -m torch.distributed.run --nnodes "${HOSTS:-2}" --nproc-per-node "$PROCESSES" \
  --rdzv-backend c10d --rdzv-endpoint "$FIRST:${PORT:-29400}" --rdzv-id "${ID:-electra}" --rdzv-conf "is_host=$host" \
  ${ADDRESS:+--local-addr "$ADDRESS"} --max-restarts "${RESTARTS:-10}" --shutdown-timeout "${SHUTDOWN:-120}" \
  -m electra pretrain "$@"
