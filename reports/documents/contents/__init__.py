"""From rows and results to what a document is to say, as plain values."""
