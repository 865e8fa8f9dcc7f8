"""HOW results read side by side: the tables of models and of layers, a row per release."""
