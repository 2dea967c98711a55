"""The market's decisions: `decide` and `apply`, the one transition table, replay. Pure."""
