"""A runtime in an environment: placed there whole or not at all, recognised, and removed by pip and uv like any other.

It must not know of indexes or publishing: what it installs comes verified out of `fetching`.
"""
