"""Mathematics without reference to GANs: eigenvalues with error bounds, decay laws, modal fits, normal forms."""
