"""The half of a worker that runs inside a runtime, whatever the framework.

Valid for Python 3.6, without any package but the standard library.
"""
