"""The door: who is let in, when, at what pace, and what is shown of it."""
