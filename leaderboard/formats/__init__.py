"""Scoreboards for other programs and pages: Markdown, CSV and JSON, of one tournament or of several side by side."""
