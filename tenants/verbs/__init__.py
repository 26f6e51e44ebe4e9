"""What ``manage.py tenant`` can do: a module for each group of verbs."""
