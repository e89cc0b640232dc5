"""What is said to Strava: tokens, the request budget, paging, login, webhooks. Nothing here knows Dagster."""
