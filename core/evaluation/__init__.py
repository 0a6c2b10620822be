"""Numbers from stored probabilities: numpy only."""
