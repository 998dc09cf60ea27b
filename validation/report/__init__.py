"""report.json and report.html: their schema, how they are put together, how they look."""
