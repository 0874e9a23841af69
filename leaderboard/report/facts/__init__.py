"""What the report says, worked out of a scoreboard without drawing anything."""
