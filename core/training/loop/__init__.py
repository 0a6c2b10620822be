"""Parts of the training loop: steps, losses, order of images, averages, plan, processes."""
