"""What drives measurements: two releases in turn, parity, and what is said of them."""
