"""The routes of the gateway, one module per kind of resource. They decide nothing about the market."""
