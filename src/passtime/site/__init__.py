"""How results are shown: what `asv publish` adds to the site; asv finds it as subclasses of its publisher."""

from __future__ import annotations

from passtime.site import doubtful, measured, offline

__all__ = ["doubtful", "measured", "offline"]
