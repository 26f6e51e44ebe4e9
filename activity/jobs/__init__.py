"""Exports in the background: asked for, made by a worker, downloaded once by each link, deleted.

``asking`` begins a job and ``running`` makes its file; ``steps`` has every change of state with its
event, ``sources`` what a file can be of, ``keeping`` where files lie. ``ends`` tells other modules
when a job is over. Why it is so: ``docs/adr/0039-export-jobs-are-rows.md``.
"""
