"""The score: standings as files, tables, pictures and MLflow runs. The only room that imports mlflow."""
