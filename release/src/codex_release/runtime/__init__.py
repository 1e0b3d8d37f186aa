"""The runtime itself: how its archives are read, what a tree of it is, what its executables need.

It must not know of the network, the cache or wheels.
"""
