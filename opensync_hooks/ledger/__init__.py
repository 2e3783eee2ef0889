"""What each destination and account has confirmed."""
