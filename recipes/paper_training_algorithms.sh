#!/usr/bin/env bash
# How generator and discriminator are trained (paper, section 3.2, Figure 3, right): there, joint training is best,
# two stages come second, the adversarial generator third; all are above BERT.
. recipes/settings.sh

race training_algorithms electra two_stage adversarial mlm
