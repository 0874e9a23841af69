"""Two tournaments held to each other: what differs in how they were played, and by how much in every figure."""
