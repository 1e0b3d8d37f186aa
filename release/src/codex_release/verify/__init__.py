"""Verifying a published release from outside: what an index serves, what pip makes of it, and whether it answers.

`systems` knows which platform tags a user's system accepts, `findings` what came of each question; `files` looks at
what is listed, `resolution` asks pip, `trial` installs and runs, `index` asks all of it. Nothing here writes to an
index.
"""
