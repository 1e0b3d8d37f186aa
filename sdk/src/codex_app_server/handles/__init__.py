"""What handles know and decide, whichever client they are of: threads, reviews, goals, commands, settings.

Everything here takes what the runtime said as plain JSON and returns values; who sends, waits and reads stands in the
modules of the two clients.
"""
