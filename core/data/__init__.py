"""Files and pixels: import, quality, split, preprocess, cache, demo images."""
