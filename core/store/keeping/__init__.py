"""The record of changes, and whether the rows still agree with it."""
