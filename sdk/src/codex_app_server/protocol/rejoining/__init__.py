"""A conversation with a remote server over several connections, one after another: what breaks off is taken up again.

No I/O and no clock, as all of `protocol`: lines in, lines out. What stands above is not aware of any of it: it sees one
conversation, in which nothing is missing and nothing comes twice.
"""
