"""A technician's visits as a calendar that any calendar program can follow."""
