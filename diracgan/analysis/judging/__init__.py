"""How a verdict comes about: a motion followed window by window, and the judges of what the windows have in common."""
