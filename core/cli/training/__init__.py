"""Commands of the training: start runs, control them, and what they answer."""
