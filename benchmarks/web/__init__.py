"""The application that every web contestant serves."""
