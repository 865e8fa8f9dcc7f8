"""MANY releases by one command: installed, measured and pruned, within a time and a disk budget."""
