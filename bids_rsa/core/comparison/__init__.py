"""From RDMs to scores against model RDMs."""
