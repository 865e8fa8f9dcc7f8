"""What knows a framework.

An adapter runs inside a runtime, and imports nothing but its framework and `passtime.worker`'s `protocol` and `inside`.
"""
