"""What is there for speed alone: compilation and its cache, vectors, tiles, packed lines."""
