"""Suppression lists as files: ours, and what SES, Mailgun, SendGrid, Postmark and Postal export."""
