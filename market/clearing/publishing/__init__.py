"""From what was found to what is published: payments, charges, reasons, prices, the check, the digest.

`publish` puts a result together; `counterfactual` solves changed markets again, for payments and `explain`.
"""
