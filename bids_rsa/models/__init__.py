"""Model RDMs, from files or arrays, named and aligned to conditions."""
