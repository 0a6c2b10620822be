"""Where a dataset stands on its way to a released model, and what that is decided by."""
