"""What leaves the house for people: messages to those who are on call."""
