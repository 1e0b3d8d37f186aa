"""Checking finished distributions, offline: everything that is promised about a wheel, read off the file itself.

`runtime` judges a runtime wheel (payload, tags, modes), `client` the client's wheel and sdist (the pin), `metadata`
asks twine and check-wheel-contents, `sources` holds both against the checkout, `running` asks what can run here,
`release` judges the set as a whole. What does not hold is a problem, in words; none is a pass.
"""
