"""The pages: their data, computed here once, and the front that displays it."""
