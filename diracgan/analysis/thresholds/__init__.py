"""Which numbers decide: where stability changes, what converges fastest, what averaging and minibatch noise do."""
