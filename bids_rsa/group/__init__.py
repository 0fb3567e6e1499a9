"""What goes into a group test: participants' maps, who is in, what is compared with what."""
