"""AWS in miniature, for development and tests: SES v2 on the wire, the mailbox simulator, signed SNS notifications.

It must not share our misreadings: it checks signatures with botocore, composes events from files, and imports none of
sns_message, sigv4, ses_event, ses_errors.
"""
