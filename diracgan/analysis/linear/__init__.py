"""The linearisation: is the point an equilibrium, is there a derivative, and what do the eigenvalues decide?"""
