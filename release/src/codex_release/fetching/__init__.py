"""From a version and a target to a verified runtime tree: sources, cache and lock at work together.

It must not know what becomes of a tree.
"""
