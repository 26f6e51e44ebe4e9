"""Roll-ups: the record counted by day and by month, for reports.

``folding`` counts each sealed segment once, ``reading`` is what reports use, ``rebuilding`` counts
anew, ``comparing`` counts again by other means and finds the first difference.
"""

from activity.rollups.folding import Folded, arrive, fold, fold_now
from activity.rollups.reading import folded_at

__all__ = ["Folded", "arrive", "fold", "fold_now", "folded_at"]
