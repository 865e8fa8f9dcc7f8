"""WHETHER it changed: verdicts on recorded samples."""
