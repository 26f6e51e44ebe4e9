"""Forgetting: people are erased, old events are cut, and the proof of the rest stays good."""
