"""Plant, supplier and customer as functions of (state, message, now). Pure."""
