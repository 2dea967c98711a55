"""Markets in which bids only exclude each other, as graphs: cliques, bounds and search by bit sets."""
