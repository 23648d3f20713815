"""What health decides, in plain Python."""
