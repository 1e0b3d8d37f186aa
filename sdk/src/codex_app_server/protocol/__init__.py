"""The app-server protocol as pure code: bytes in, events out.

Nothing in this room does I/O, knows a clock, a thread or an event loop, or takes a lock; the drivers around it do. That
is what lets the same rules serve threads and asyncio, and be tested without either.
"""
