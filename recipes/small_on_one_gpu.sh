#!/usr/bin/env bash
# ELECTRA-Small from your own text, on one GPU: the paper's model and schedule (Table 6), then one task.
#   recipes/small_on_one_gpu.sh corpus/*.txt
#   MINUTES=2880 TASK=tasks/topic recipes/small_on_one_gpu.sh corpus/
# MINUTES lets the schedule follow the clock; without it a million steps are trained. TASK holds train.* and dev.*.
set -euo pipefail
ELECTRA="${ELECTRA:-$([ -x .venv/bin/electra ] && echo .venv/bin/electra || echo electra)}"
PRESET="${PRESET:-small}"
OUT="${OUT:-runs/$PRESET}"
[ $# -gt 0 ] || { echo "name the text: recipes/small_on_one_gpu.sh corpus/*.txt" >&2; exit 2; }

# Every command continues what an earlier call began.
$ELECTRA flops --preset "$PRESET"
$ELECTRA prepare "$@" --vocab-size "${VOCAB_SIZE:-30522}" --out "$OUT/data"
$ELECTRA pretrain --preset "$PRESET" --data "$OUT/data" --out "$OUT/run" ${MINUTES:+--max-minutes "$MINUTES"}
if [ -n "${TASK:-}" ]; then
  $ELECTRA finetune "$OUT/run" --train "$TASK"/train.* --dev "$TASK"/dev.* --out "$OUT/task"
fi
