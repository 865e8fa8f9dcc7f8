"""Times the passes of deep-learning models and layers across framework releases, with airspeed velocity."""

__version__ = "0.1.0"
