"""Any Postgres, the mirror's and Dagster's: what its errors mean, and how deleted values leave its files."""
