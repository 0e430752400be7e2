"""The control socket: how the command line speaks to a running relay. A Unix socket for its owner's eyes only."""
