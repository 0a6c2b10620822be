"""The training job: what it learns from, its recipes, and the model that it stores."""
