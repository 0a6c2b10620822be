"""Actions on results: evaluate, compare, choose thresholds, view the test."""
