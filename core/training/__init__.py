"""Training: recipes, engine, checkpoints, worker process."""
