"""Whether explanations can be trusted: planted defects, faithfulness, what lies at the border."""
