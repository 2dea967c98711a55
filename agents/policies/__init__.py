"""Bidding policies, one a file. Pure."""
