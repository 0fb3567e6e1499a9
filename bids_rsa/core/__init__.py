"""Searchlight, RDMs, comparisons and group inference: arrays in, arrays out."""
