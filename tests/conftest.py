"""Interrupts and hang-ups reach what tests start, which a shell's background and nohup would have ignored."""

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
