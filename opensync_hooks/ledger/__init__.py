"""What each destination has confirmed."""
