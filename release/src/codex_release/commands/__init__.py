"""The commands of ``codex-release``, one module each: its arguments (`register`) and what it does (`run`)."""
