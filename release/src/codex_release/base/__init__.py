"""What every room stands on: errors, digests, atomic files, progress, the web, other programs.

It must not know what this toolkit is for.
"""
