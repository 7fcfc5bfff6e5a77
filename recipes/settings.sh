# What the recipes of the paper are scaled by; they read this file. From the repository root, for example:
#   PRESET=small BUDGET=3e17 SEEDS=5 TASK="mnli=glue/MNLI sst2=glue/SST-2" DATA=data/mine recipes/paper_efficiency.sh
# SETTINGS are what holds for every contestant, beside the paper's own samples, rows and rate: SETTINGS="cooldown=1". MORE is what else
# `electra compare` is to be told: MORE="--task-points 1".
# Without settings: the documentation of your Python, the tiny model, 40 TFLOP a run (20 to 45 minutes of one core), three
# seeds. A budget in operations is the same in all recipes; one in tokens or minutes is what their first contestants spend.
set -euo pipefail
ELECTRA="${ELECTRA:-$([ -x .venv/bin/electra ] && echo .venv/bin/electra || echo electra)}"
PRESET="${PRESET:-tiny}"
BUDGET="${BUDGET:-4e13}"
SEEDS="${SEEDS:-3}"

if [ -z "${DATA:-}" ]; then
  DATA=data/python-docs
  $ELECTRA prepare python-docs --vocab-size 4096 --heldout 0.05 --out "$DATA"
fi

# The paper's own BERT keeps a tenth of the masked tokens and replaces a tenth by random ones (section 3.5).
BERT=mlm:mask_token_prob=0.8,random_token_prob=0.1

race() { # NAME CONTESTANT...
  local name="$1"
  shift
  # The runs of all recipes lie in one folder: one that two of them need is made once.
  # shellcheck disable=SC2086
  $ELECTRA compare --data "$DATA" --out "runs/paper/$name" --runs runs/paper/runs --preset "$PRESET" \
    --budget "$BUDGET" --seeds "$SEEDS" ${TASK:+--task $TASK} ${MORE:-} \
    --settings architecture=electra memory=0 random_sample_prob=0 short_stage=0 generator_lr_scale=1 ${SETTINGS:-} \
    --contestants "$@"
}
