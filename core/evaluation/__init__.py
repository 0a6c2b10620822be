"""Numbers from stored probabilities: numpy, and scipy where it computes."""
