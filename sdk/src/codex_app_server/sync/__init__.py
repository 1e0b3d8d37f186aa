"""The client for threads: the fronts that a program calls, and the driver under them."""
