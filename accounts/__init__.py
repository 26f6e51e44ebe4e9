"""People: the custom user model, signing in, roles, and the doors to them."""
