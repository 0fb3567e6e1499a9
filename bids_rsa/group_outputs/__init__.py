"""What a group test writes: names, sidecars, tables, maps."""
