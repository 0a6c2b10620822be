"""The image dialog: one for all pages, opened by galleries, drawn in the browser."""
