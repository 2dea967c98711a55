"""Local search on a packing model: moves compiled on flat arrays, annealing over them, rounds over plans.

`packing` makes the model (`plan_pool`: plans of orders whose goods move, as items), `moves`, `group_moves`
and `anneal_moves` are the kernels, `ejection_pool` covers what must be served, `annealing` drives them;
`plan_rounds` chooses anew among the plans of some orders, proven.
"""
