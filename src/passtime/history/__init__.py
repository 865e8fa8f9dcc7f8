"""WHAT was measured before passtime: tables of others, imported as results."""
