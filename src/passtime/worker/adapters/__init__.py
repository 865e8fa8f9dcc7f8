"""What knows a framework: `inside/adapter.py` has the contract.

An adapter runs inside a runtime, and imports nothing but its framework and `passtime.worker`'s `protocol` and `inside`.
"""
