"""The vocabulary: frozen values that every room shares. Standard library only.

Fractions are in [0, 1]; sizes are in pixels; times are UTC seconds since 1970 (`*_at`) or plain
seconds (`*_s`). A class index is the position of its name in `Dataset.class_names`.
"""
