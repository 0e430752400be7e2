"""How a message is read: nothing outside is touched, nothing is changed."""
