"""The conformance kit: a market that follows a script, and rules that it holds a participant to.

Black box: it speaks the published protocol over a nats-server of its own and knows nothing of the participant
but what arrives. It decides nothing that a market decides, and stores nothing.
"""
