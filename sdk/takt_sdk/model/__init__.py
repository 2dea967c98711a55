"""The vocabulary on the wire: frozen values that cannot be invalid. Standard library only."""
