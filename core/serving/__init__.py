"""Models over HTTP: requests in, predictions and decisions out, in the JSON of `core/api`."""
