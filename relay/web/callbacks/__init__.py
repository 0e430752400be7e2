"""What the Internet may call: SNS."""
