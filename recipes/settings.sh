# What the recipes of the paper are scaled by; they read this file. From the repository root, for example:
#   PRESET=small BUDGET=3e17 SEEDS=5 TASK="glue/mnli glue/sst2" DATA=data/mine recipes/paper_efficiency.sh
# MORE is what else `electra compare` is to be told: MORE="--task-points 1 --settings cooldown=1".
# Without settings: the documentation of your Python, the tiny model, what it learns in 20 minutes, three seeds.
set -euo pipefail
ELECTRA="${ELECTRA:-python -m electra}"
PRESET="${PRESET:-tiny}"
BUDGET="${BUDGET:-20m}"
SEEDS="${SEEDS:-3}"
DATA="${DATA:-data/python-docs}"

if [ ! -e "$DATA/manifest.json" ]; then
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
    --budget "$BUDGET" --seeds "$SEEDS" ${TASK:+--task $TASK} ${MORE:-} --contestants "$@"
}
