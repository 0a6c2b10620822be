"""What the stages of datasets are read from."""
