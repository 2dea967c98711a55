"""The HTTP gateway: takes orders and shows what happened."""
