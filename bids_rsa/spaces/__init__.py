"""Where rows of patterns lie: grids, and images read and written on them."""
