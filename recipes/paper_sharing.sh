#!/usr/bin/env bash
# What generator and discriminator should share (paper, section 3.2), both of the same size.
# There, GLUE after 500,000 steps: nothing 83.6, embeddings 84.3, everything 84.4. gdes is DeBERTaV3's, after the paper.
. recipes/settings.sh

size=generator_width=1,generator_depth=1
race sharing "electra:share=none,$size" "electra:share=embeddings,$size" "electra:share=all,$size" "electra:share=gdes,$size"
