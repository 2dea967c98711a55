"""What the market talks about: values that cannot be invalid. Standard library only."""
