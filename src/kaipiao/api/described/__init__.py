"""What the API says of itself: its description, examples, links, and what a route can answer."""
