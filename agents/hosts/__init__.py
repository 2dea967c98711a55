"""What runs agents: Ray actors and processes."""
