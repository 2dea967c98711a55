"""The market as a running service: one writer around the pure engine, with journal, bus and solver.

`kernel` is what every host shares (the simulator too), `recovery` what a restart does, `service` the
single writer, `clearing_worker` the solver outside the writer, `outbox_pump` the way to participants.
"""
