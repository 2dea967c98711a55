"""One order after the other: the cheapest plan of one (`plans`), the `greedy` answer, `uncoupled` markets."""
