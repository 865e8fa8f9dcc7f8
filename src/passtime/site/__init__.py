"""How results are shown: what `asv publish` adds to the site; asv finds it as subclasses of its publisher."""

from __future__ import annotations

from passtime.site import doubtful, front, measured, offline

__all__ = ["doubtful", "front", "measured", "offline"]
