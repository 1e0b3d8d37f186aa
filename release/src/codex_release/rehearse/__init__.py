"""The whole release on this machine, on an index of its own, from the lock to a turn.

It uses every room below as a release engineer would; it must not know which command asked.
"""
