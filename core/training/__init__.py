"""Training: recipes, augmentation, engine, checkpoints."""
