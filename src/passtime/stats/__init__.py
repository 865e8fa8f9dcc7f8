"""HOW SURE a number is: intervals, verdicts, looks. Functions of numbers."""
