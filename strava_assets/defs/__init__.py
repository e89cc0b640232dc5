"""What Dagster sees: assets, checks, jobs, schedules, sensors, partitions and resources."""
