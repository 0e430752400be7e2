"""What webhooks are told: receivers, words, and what proves that it is us."""
