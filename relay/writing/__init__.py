"""How a message is written: what is sent otherwise than it came. Nothing outside is touched."""
