"""The command line: the same actions as the app, for scripts."""
