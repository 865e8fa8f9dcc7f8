"""What was measured, and under which conditions: read, written, locked, merged.

The files are asv's, with one JSON line for each session beside them.
"""
