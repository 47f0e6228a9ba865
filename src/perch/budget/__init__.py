"""What a post costs at X, and what was spent."""
