"""All that touches asv; see plugin.py for what asv finds by itself and what is replaced."""
