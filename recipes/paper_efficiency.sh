#!/usr/bin/env bash
# Where the gain comes from (paper, section 3.5, Table 5): from all tokens, or from a better task?
# There, GLUE at base size: ELECTRA 85.0, All-Tokens MLM 84.3, Replace MLM 82.4, ELECTRA 15 % 82.4, BERT 82.2.
. recipes/settings.sh

race efficiency electra all_tokens_mlm replace_mlm electra_15 "$BERT"
