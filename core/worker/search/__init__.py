"""The search job: trials of settings, chosen by Optuna, kept in the workspace."""
