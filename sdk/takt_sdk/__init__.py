"""Takt for partners: the market's vocabulary, its wire, and a host for one's own agent."""
