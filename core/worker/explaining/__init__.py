"""Jobs that measure a trained model beyond its predictions."""
