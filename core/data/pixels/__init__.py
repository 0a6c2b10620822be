"""Pixels: decoding, preprocessing, caches and thumbnails."""
