"""One module for each program whose condition images can be read."""
