"""Check what is published, answer and bound, in exact integers, from problem and result alone.

Shares no code with formulation or search: imports the values of a problem and a result, nothing else.
`check` judges the answer, `certificate` recomputes the bound (capacity, arcs and cliques apart), `verify`
everything that a published clearing says.
"""
