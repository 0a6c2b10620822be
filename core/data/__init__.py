"""Files and pixels: import, split, preprocess, cache, augment, demo pictures."""
