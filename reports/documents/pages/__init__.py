"""Each kind of document: from the content of its snapshot to blocks. Pure."""
