"""Tables of rows and of figures as files for spreadsheets and other programs."""
