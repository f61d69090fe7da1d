"""The judges, one module per sort of motion; a new module is found by itself, see ``judging.py``."""
