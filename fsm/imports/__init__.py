"""A company's own past and present from CSV files, and back: how rows become equipment, jobs and figures.

`csv_file` reads what people call CSV, `cells` what stands in a cell, `kinds/` says which columns each kind
of file has and which rows they become, `staging` puts a file into a temporary table, `importing` checks and
stores it by whole sets, `exporting` writes the same columns again. See README.md for users.
"""
