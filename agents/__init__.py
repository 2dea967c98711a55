"""The companies of the market: their shop floors, pricing policies, roles and hosts."""
