"""Networks: the catalog, pretrained weights, building, the model file."""
