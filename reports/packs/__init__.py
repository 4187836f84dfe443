"""Evidence packs: everything that proves how one job was done, in one file that is checked without us."""
