"""What the office's desk shows at once: requests that nobody has answered, jobs that nobody has closed."""
