"""What a person of the office must look at: read with the names it is about, counted, settled."""
