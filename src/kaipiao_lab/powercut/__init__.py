"""The power fails: what SQLite wrote since its last fsync is gone, or half gone, and the platform starts again."""
