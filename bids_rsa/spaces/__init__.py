"""Where rows of patterns are: grids, and images read and written on them."""
