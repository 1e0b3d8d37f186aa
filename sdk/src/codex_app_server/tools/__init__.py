"""Python functions as tools of the agent.

What a function is to the model (`definition`, `docstrings`, `names`), what it gives back (`results`), which thread has
which tools (`toolbox`), and how calls run: side by side, bounded, each with an end (`executor`). The rims, `sync.tools`
and `aio.tools`, bring the event loop.
"""
