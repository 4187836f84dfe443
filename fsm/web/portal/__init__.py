"""What a customer who signs in sees: sites and machines, jobs and papers, and how promises were kept."""
