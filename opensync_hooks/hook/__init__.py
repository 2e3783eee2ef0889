"""What an agent waits for."""
