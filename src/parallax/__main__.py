"""``python -m parallax`` is the same as ``parallax``."""

from parallax.cli import main

if __name__ == "__main__":
    main.main()
