"""The schema of a workspace database: one migration per step."""
