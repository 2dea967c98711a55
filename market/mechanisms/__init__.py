"""The rules of allocation and payment, chosen by name. Pure."""
