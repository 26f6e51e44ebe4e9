"""The panel's first page, and the same as a file: is anything wrong, who is active, what changed.

``dashboard`` finds what there is to say of a period and knows nothing of pages; ``page`` shows it,
``pdf`` prints it.
"""
