"""Keeping it alive: what the platform tells of itself. Metrics, wire and request logs; nothing here decides anything."""
