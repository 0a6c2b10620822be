"""Commands that use models: classify, serve, hand over."""
