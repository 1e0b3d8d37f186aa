"""The client in other people's frameworks, each a module of its own that needs the extra of its name."""
