"""The market as a program: rows and columns over index ids, and what can be said of it before any search.

`formulate` makes the program (`rows`, `flows`), `allocation` reads an answer back, `restrict` fixes columns.
`components` cuts a market into parts that do not touch, `dominance` leaves out bids that no best answer
needs, `packing_rules` says whether it is a packing of single bids.
"""
