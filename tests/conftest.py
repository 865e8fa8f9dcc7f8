"""Interrupts reach what tests start: a shell that has pytest in the background makes it, and so them, ignore them."""

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
