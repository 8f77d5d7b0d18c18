"""`python -m tlkit` is the command `tlkit`."""

from tlkit.cli import main

if __name__ == "__main__":
    main()
