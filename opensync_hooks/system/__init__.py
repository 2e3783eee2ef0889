"""The only modules that touch the differences between operating systems."""
