"""Images become patterns: grids, masks, folds, and the checks that both need."""
