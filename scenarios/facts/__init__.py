"""Facts that scenarios draw from: roads, cities, rates, each row with source and confidence."""
