"""What `asv publish` adds to the site; asv finds it as subclasses of its publisher."""
