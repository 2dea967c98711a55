"""A participant's side of NATS."""
