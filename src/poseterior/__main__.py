"""`python -m poseterior`."""

from __future__ import annotations

import sys

from poseterior.cli import main

if __name__ == "__main__":
    sys.exit(main())
