"""What people do with training runs: start, follow, stop, resume."""
