"""Handles loads that hang, crash their worker, or fail."""
