"""A simulated Strava over real HTTP, for trying and testing everything without an account."""
