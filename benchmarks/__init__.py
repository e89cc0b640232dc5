"""What the platform costs, in ratios against a named baseline of the same run."""
