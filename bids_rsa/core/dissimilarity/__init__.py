"""From patterns to RDMs."""
