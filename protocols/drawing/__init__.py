"""What all pictures have in common: their colours, and scales that hold what they show."""
