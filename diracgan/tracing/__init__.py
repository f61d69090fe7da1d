"""Traced losses: as scalar programs, as smooth pieces between switching surfaces, and as formulas."""
