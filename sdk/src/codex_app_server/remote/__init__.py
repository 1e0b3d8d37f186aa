"""What both clients share to speak with an app-server that somebody else runs: addresses, tokens, WebSocket."""
