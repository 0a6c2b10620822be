"""Every value that leaves as JSON has its one form here: the command line uses it, and REST."""
