"""What is sent to Strava: tokens, the request budget, paging, login, webhooks. Nothing here knows Dagster."""
