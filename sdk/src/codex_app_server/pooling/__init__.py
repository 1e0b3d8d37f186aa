"""Several runtimes as one: who gets which, who waits, what becomes of one that ended, and in which home each lives."""
