"""The client side by side with its peer; `__main__` says how to run it.

`rows` says what is measured and what the bounds are, `sides` makes the two environments, `measured` holds the programs
that run in them, `replay` is the server they talk to, and `transcript.json` what it says.
"""
