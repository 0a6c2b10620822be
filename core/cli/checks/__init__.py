"""Commands that check datasets."""
