"""The shipped issuing code in a world of its own: virtual time, a pretend bureau, kills at any await, all drawn from a seed."""
