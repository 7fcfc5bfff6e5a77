"""`python -m electra`, which is what torchrun starts."""

from electra.cli import main

main()
