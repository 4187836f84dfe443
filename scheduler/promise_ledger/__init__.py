"""What was promised to customers, what became of it, and what that teaches the next promise."""
