"""What customer, technician and office say to one another about a job."""
