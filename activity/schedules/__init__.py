"""Schedules: exports that are made again and again, and brought to who wants them.

``cron`` and ``spans`` say when and of which days, ``planning`` what is due; ``keeping`` changes
schedules for every door, ``agenda`` tells the sweep whom to visit, ``running`` begins runs,
``delivering`` brings what they made (``docs/adr/0040-schedules-go-by-the-clock-on-the-wall.md``).
"""
