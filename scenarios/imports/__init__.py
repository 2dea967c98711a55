"""Real cases from tables: bids and supply networks.

A case that nobody here wrote runs without code.
"""
