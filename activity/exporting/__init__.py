"""Files of the record: events straight from ``COPY``, in every format, with what proves them."""
