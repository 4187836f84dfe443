"""Jobs that turn out wider on site: priced by what is in force, agreed to, decided by the office."""
