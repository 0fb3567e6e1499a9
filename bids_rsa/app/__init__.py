"""How a call runs: checks, order of execution, summary."""
