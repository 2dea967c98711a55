"""The market as a pure state machine: ``decide`` says what happens, ``apply`` makes it so.

Walk it in this order: `transitions` (the table), `state`, `engine` (the two functions), then one
module per concern: `admission`, `orders`, `rounds`, `bidding`, `awards`, `execution`.
"""
