"""Touchstone as an installed package: one folder that holds the whole app."""
