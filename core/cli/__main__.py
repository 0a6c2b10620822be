"""`python -m core.cli`: the command line without an installed script."""

from core.cli.app import main

main()
