"""People with their rights, and the bin."""
