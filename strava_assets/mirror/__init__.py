"""What is in Postgres: the activity model, the tables, the bulk load, the comparison, the migrations."""
