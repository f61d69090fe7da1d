"""The averaged flow of a rule whose steps do not shrink with the gradient: its slow motion over one rotation."""
