"""`python -m foreshot` is the `foreshot` command."""

import sys

from foreshot.cli import main

if __name__ == "__main__":
    sys.exit(main())
