"""Publishing a release, all or nothing: no client is ever on an index while a runtime that it pins is missing there.

`plan` decides what has to be done (pure), `upload` sends one file with twine, `serving` waits until the index and pip
agree that a file is there, `publication` does it in the order that keeps the promise. What was done is read off the
index, never off a file of this machine, so a run that broke off anywhere is finished by the next one.
"""
