"""Any Postgres, the mirror's and Dagster's: what its errors mean, and how it forgets what was deleted."""
