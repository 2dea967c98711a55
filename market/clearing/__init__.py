"""Winner determination: the program as data, its formulation, decomposition and independent check."""
