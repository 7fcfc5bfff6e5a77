#!/usr/bin/env bash
# How large the generator should be (paper, section 3.2, Figure 3, left): there, best at 1/4 to 1/2 of the
# discriminator, after equal steps; here the compute is equal, which is kinder to small ones.
. recipes/settings.sh

depth=generator_depth=1
race generator_size "electra:generator_width=0.25,$depth" "electra:generator_width=0.5,$depth" \
  "electra:generator_width=0.75,$depth" "electra:generator_width=1,$depth"
