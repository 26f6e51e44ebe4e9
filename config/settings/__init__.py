"""Settings by concern. ``development`` is the default, ``production`` is what a deployment names.

Each module of this package holds one concern and reads only ``environment``; ``common`` puts them
together, and the three that can be named by ``DJANGO_SETTINGS_MODULE`` change what differs.
"""
