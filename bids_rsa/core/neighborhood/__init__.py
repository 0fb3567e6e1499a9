"""What a patch is: which rows of the patterns belong to each centre."""
