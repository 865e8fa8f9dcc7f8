"""MEASURING FOR A VERDICT: two releases in turn, until each pass is settled or the time is spent."""
