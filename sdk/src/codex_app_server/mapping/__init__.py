"""Many prompts at once: which are to be done, what came of each, and a journal to go on from."""
