#!/usr/bin/env bash
# Go on from a general model with text of your field: abstracts, records, papers. EXTEND=2000 adds as many words and
# pieces of it to the general model's vocabulary.
#   INIT=models/general recipes/domain_biomedical.sh abstracts/*.jsonl.gz
# INIT is a run or a Hugging Face ELECTRA directory, whose recipe goes on at a lower rate. One document a line or record.
set -euo pipefail
ELECTRA="${ELECTRA:-$([ -x .venv/bin/electra ] && echo .venv/bin/electra || echo electra)}"
OUT="${OUT:-runs/biomedical}"
[ $# -gt 0 ] && [ -n "${INIT:-}" ] || { echo "usage: INIT=MODEL recipes/domain_biomedical.sh TEXT..." >&2; exit 2; }

$ELECTRA prepare "$@" --tokenizer "$INIT" --extend "${EXTEND:-0}" --out "$OUT/data"
# shellcheck disable=SC2086 # FLAGS are several words, such as --max-minutes 60 --learning-rate 1e-4
$ELECTRA pretrain --init "$INIT" --data "$OUT/data" --out "$OUT/run" ${FLAGS:-}
if [ -n "${TASK:-}" ]; then
  # The general model on the same task says what the field's text was worth.
  $ELECTRA finetune "$INIT" --train "$TASK"/train.* --dev "$TASK"/dev.* --out "$OUT/task-general"
  $ELECTRA finetune "$OUT/run" --train "$TASK"/train.* --dev "$TASK"/dev.* --out "$OUT/task-domain"
fi
