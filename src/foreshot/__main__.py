"""`python -m foreshot` is the `foreshot` command."""

from foreshot.cli import main

if __name__ == "__main__":
    main()
