"""A technician's month: what was recorded on which day, the jobs behind it, and what it adds up to."""
