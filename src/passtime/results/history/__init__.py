"""The tables of 2018 that passtime grew from, and what is doubtful in them."""
