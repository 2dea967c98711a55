"""Scenarios: populations, demand and disruptions, run on the market for research and demonstration."""
