"""``python -m diracgan`` is the command ``diracgan``."""

from diracgan.cli.app import entry

if __name__ == "__main__":
    entry()
