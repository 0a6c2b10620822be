"""The settings of a run; each knows its own title, help and range."""
