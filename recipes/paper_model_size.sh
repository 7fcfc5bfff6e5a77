#!/usr/bin/env bash
# Whether the gain shrinks with size (paper, section 3.5, Figure 4): there, ELECTRA is ahead most where it is smallest, and
# is ahead too when both are trained until they learn no more, for which times=4 stands here.
. recipes/settings.sh

contestants=()
for width in 0.25 0.5 1; do
  # The generator is a quarter of the discriminator by its layers: a quarter of a narrow network's width fits no heads.
  for contestant in "electra:width=$width,generator_width=1,generator_depth=0.25" "$BERT,width=$width"; do
    contestants+=("$contestant" "$contestant,times=4")
  done
done
race model_size "${contestants[@]}"
