"""Policies for a sale whose invoice got no believable answer: named mistakes and ours, against the same bureau."""
