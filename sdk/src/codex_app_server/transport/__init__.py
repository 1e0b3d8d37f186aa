"""Moves bytes between a client and its runtime, and knows nothing of what they mean."""
