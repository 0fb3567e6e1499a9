"""BIDS out: names, sidecars and files of the derivatives, and what they were made from."""
