"""What happens when a load hangs, crashes or cannot be loaded."""
