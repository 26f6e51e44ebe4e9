"""Days and times as pages show them: as the record, its lists and the commands do (ISO 8601).

The record adds seconds where their order matters. Mails are read far from here and say the zone.
"""

DATE_FORMAT = "Y-m-d"
TIME_FORMAT = "H:i"
DATETIME_FORMAT = "Y-m-d H:i"
SHORT_DATE_FORMAT = DATE_FORMAT
SHORT_DATETIME_FORMAT = DATETIME_FORMAT
