"""What is decided and written down: targets, the lock, versions, the checkout, the settings; typed values.

It must not do anything with them.
"""
