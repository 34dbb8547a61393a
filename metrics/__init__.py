"""Networks that judge pictures, loaded from what the user has."""
