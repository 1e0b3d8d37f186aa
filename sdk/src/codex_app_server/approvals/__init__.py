"""Who may do what: the runtime's requests for approval as plain values, and policies that decide them.

Pure, but for `asking`, which talks to a person; who runs a policy's functions, and where, is the drivers' business.
"""
