"""Where floats end."""

LARGEST = 1e150  # the square of what is beyond this leaves the float range
