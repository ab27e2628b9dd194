"""The platform under more load than it bears: three steps down, each by itself, and up again."""
