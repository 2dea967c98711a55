"""The published protocol, generated from the code: schema, AsyncAPI, diagrams, worked messages.

`python -m market.protocol` (``make protocol``) writes ``docs/protocol/`` and the generated parts of
``docs/protocol.md``. Nothing of a running market imports this package.
"""
