"""What is pinned and how the pin moves: what sources serve now, who signed it, what a newer release changes.

It must not know how wheels are made of what is pinned.
"""
