"""Takt for partners: the market's vocabulary, its wire, and a host for one's own agent.

`takt_sdk.simple` is the way in: a pricing of one's own in ten lines. Below it: `takt_sdk.company` runs any
role (`takt_sdk.role`), `takt_sdk.model` has every word and message, `takt_sdk.codec` their bytes.
"""
