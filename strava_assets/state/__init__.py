"""What lies in Redis beside the tokens."""
