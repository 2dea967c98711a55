"""Studies: one scenario under many seeds, mechanisms, strategies and parameters, in one table.

`variant` changes a scenario, `cell` runs one variant and measures it, `sweep` plans cells, `execute` runs
them on Ray, `table` keeps their rows, `compare` and `figures` make of them what a paper prints.
"""
