"""Many sessions at once."""
