"""Settings: one file, read once, validated before anything starts."""
