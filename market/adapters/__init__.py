"""The ports' implementations: everything that waits, sends, stores, solves, reads a clock or draws chance."""
