"""Real games: networks and data, moved by the same losses, penalties and rules as the Dirac system."""
