"""Random changes of training images: what is drawn, and how it is applied."""
