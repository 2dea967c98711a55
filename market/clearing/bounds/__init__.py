"""Prices and bounds: what the whole market cannot be worth more than, and what its scarce things are worth.

`prices` hands duals to the searches, `multipliers` makes published ones of them. Where they come from: the
linear relaxation (`market.clearing.search.case`); capacity one by one (`decomposition`, kernel
`max_marginals`, and `held_capacity` for openings); the best plan of each order where goods move
(`order_prices` on `order_trees`, kernel `tree_messages`); whole plants with openings (`block_prices` on
`blocks`, `block_program`, kernels `block_answers` and `block_pricing`).
"""
