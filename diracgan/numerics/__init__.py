"""Mathematics that knows nothing of GANs: eigenvalues with error bounds, decay laws, modal fits, normal forms."""
