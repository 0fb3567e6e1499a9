"""From participants' maps to tests across subjects: finding, checking, testing, writing."""
