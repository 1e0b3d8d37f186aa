"""Checking finished distributions, offline: everything that is promised about a wheel, read off the file itself.

`runtime` judges a runtime wheel (payload, tags, modes), `client` the client's wheel and sdist (the pin), `metadata`
asks twine and check-wheel-contents, `running` asks what can run here, `release` judges the set as a whole. Each gives a
list of problems, in words; an empty list is a pass.
"""
