"""WHICH releases there are, and the git repository that stands for them."""
