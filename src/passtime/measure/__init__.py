"""What drives measurements: heats, parity, and what is said of releases."""
