"""Staging, compressing and assembling wheels, and reading finished ones.

It must not know where a runtime came from, nor judge a finished file: that is `check`.
"""
