"""What people do with models: predict, explain, keep, hand over."""
