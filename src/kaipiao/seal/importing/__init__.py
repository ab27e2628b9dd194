"""Keys and certificates that somebody already has: read, judged, and put into the key store."""
