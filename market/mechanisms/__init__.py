"""The rules of payment, chosen by name: who is paid what for an allocation that is given. Pure.

Each rule is a function of (problem, allocation, resolve) and lives in a module of its own;
`registry` lists them, `rule` holds what they share. None decides an allocation, solves a program
or knows a charge beyond what orders can bear; ``market.clearing.publishing.settle`` turns payments into
charges.
"""
