"""Critical values, fastest convergence, weight averaging and the covariance of minibatch noise."""
