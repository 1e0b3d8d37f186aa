"""What the protocol's messages are made of: reading what the runtime sent, and encoding what it is sent."""
