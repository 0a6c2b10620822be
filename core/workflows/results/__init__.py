"""What people ask of results: evaluate, compare, choose thresholds."""
