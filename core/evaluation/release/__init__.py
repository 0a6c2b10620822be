"""Whether a model may run: criteria, comparison, and the numbers of a report."""
