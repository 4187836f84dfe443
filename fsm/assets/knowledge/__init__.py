"""What is known of a model: its error codes and known problems, each with one approved answer."""
