"""One module for each sort of motion; a module put here is found by itself, see ``judging.py``."""
