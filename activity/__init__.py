"""The record: what happened, who did it, and what the rows were before and after."""
