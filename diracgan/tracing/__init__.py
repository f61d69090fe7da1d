"""How a loss is read: traced functions as scalar operations, as smooth pieces between switches, and as formulas."""
