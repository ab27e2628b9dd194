"""Alarms: which events are one, what is open, who is told."""
