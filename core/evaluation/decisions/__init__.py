"""From probabilities to decisions: rules, what they let through, what they cost and prove."""
