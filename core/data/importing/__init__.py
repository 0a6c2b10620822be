"""From what people have to samples: listing, labels, tables, archives, the plan of an import."""
