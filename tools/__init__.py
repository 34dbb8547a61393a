"""What keeps the repository in order: locales, help pages, pictures, and the way to run all of it (pack.py)."""
