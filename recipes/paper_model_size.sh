#!/usr/bin/env bash
# Whether the gain shrinks with size (paper, section 3.5, Figure 4): there, ELECTRA is ahead most where it is smallest, and
# is ahead too when both are trained until they learn no more, for which times=4 stands here.
. recipes/settings.sh

contestants=()
for width in 0.25 0.5 1; do
  for objective in electra mlm; do
    contestants+=("$objective:width=$width,generator_width=1" "$objective:width=$width,generator_width=1,times=4")
  done
done
race model_size "${contestants[@]}"
