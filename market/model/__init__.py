"""The vocabulary of the market: frozen values that cannot be invalid. Standard library only."""
