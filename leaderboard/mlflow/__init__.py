"""What is logged to MLflow, and its views and server."""
