"""Python functions as tools of the agent.

What a function is to the model (`definition`, `docstrings`, `names`), what it gives back (`results`), which thread has
which tools (`toolbox`), and how calls run: side by side, bounded, each with an end (`calls`). The rims, `sync.calling`
and `aio.calling`, bring the event loop.
"""
