"""What is known of a player from its source alone: nobody's code is run."""
