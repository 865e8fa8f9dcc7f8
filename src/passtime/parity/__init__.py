"""WHETHER two releases do the same work: the same weights and input, the same output and gradients."""
