"""The HTTP API: what a program can do that speaks no SMTP, in the words of the Devino e-mail API, and in some of our own."""
