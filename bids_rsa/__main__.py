"""The app as ``python -m bids_rsa``."""

import sys

from bids_rsa.cli import main

if __name__ == "__main__":
    sys.exit(main())
