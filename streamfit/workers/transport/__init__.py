"""How values and loaders travel between processes: frames, slots, shared arrays."""
