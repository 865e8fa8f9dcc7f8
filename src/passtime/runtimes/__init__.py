"""WHERE a release lives: installed in a folder of its own, adopted, found again, removed."""
