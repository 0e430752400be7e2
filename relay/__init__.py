"""A durable SMTP relay in front of Amazon SES, with its feedback brought home."""

__version__ = "0.1.0"
