"""Using a model: fast runtimes, predictor, heatmaps."""
