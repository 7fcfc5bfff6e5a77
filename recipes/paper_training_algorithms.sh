#!/usr/bin/env bash
# How generator and discriminator are trained (paper, section 3.2, Figure 3, right): there, joint training is best;
# two stages gain at the switch but stay below it, and so does the adversarial generator, which is above BERT.
. recipes/settings.sh

# All with a generator of full size, as two stages need one; nothing is shared there, as that generator is frozen.
full=generator_width=1,generator_depth=1
race training_algorithms "electra:$full" "two_stage:share=none,$full" "adversarial:$full" "$BERT"
