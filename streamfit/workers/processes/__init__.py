"""Worker processes: the pool, its workers, and the fork server that starts them."""
