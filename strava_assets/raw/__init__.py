"""The raw objects in S3: what the API said, to the letter."""
