"""The slow motion of a rule whose steps do not shrink with the gradient: averaged over one rotation of the players."""
