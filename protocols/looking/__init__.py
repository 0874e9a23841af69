"""Where on the face the fight is."""
