"""Group statistics by sign flips and permutations: arrays in, arrays out."""
