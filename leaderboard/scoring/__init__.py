"""The scores of a user's own pictures: rows, files that are continued, and the figures of those with labels."""
