"""HOW a pass is timed.

`driver/` runs in our Python, `inside/` and `adapters/` run in the runtime, and `protocol.py` is what both speak.
"""
