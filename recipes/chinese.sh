#!/usr/bin/env bash
# A Chinese ELECTRA from raw text: a WordPiece vocabulary of single characters and whatever else the text holds.
#   recipes/chinese.sh corpus/*.txt
# Chinese is written without spaces; the tokeniser sets each character apart, as BERT's does, so 21,128 entries are enough.
set -euo pipefail
ELECTRA="${ELECTRA:-$([ -x .venv/bin/electra ] && echo .venv/bin/electra || echo electra)}"
PRESET="${PRESET:-small}"
OUT="${OUT:-runs/chinese}"
[ $# -gt 0 ] || { echo "name the text: recipes/chinese.sh corpus/*.txt" >&2; exit 2; }

$ELECTRA prepare "$@" --vocab-size "${VOCAB_SIZE:-21128}" --out "$OUT/data"
$ELECTRA pretrain --preset "$PRESET" --data "$OUT/data" --out "$OUT/run" ${MINUTES:+--max-minutes "$MINUTES"}
if [ -n "${TASK:-}" ]; then
  $ELECTRA finetune "$OUT/run" --train "$TASK"/train.* --dev "$TASK"/dev.* --out "$OUT/task"
fi
