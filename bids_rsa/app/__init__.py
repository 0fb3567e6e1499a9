"""How a call runs: what is checked before, what runs and in what order, what is told at the end."""
