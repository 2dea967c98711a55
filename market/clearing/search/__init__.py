"""How the steps follow each other: parts of a market, each by two threads or by counted work.

`hunt` takes a whole market apart and joins its answers, `part_search` searches one part, here or elsewhere.
`case` is a part with its relaxation, program and moves, `sharpening` tightens its bound; `timed_search` and
`counted_search` order the steps by the clock and by work, `stable_turns` and `block_turns` where a part is a
conflict graph or has openings.
"""
