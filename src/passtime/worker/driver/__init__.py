"""The half of a worker that runs in the driver's Python: starts it, asks it, ends it."""
