"""The raw objects in S3: what the API returned, verbatim."""
