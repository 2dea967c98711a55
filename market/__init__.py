"""The market: model, engine, clearing, and the adapters that host them."""
