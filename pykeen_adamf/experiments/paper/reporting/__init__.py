"""What the report of an experiment consists of."""
