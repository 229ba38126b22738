"""`python -m streaming.cli`."""

from streaming.cli import main

main()
