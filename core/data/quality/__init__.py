"""What can be wrong with a dataset: look-alikes, mislabeled images, outliers."""
