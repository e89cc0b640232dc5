"""An athlete's training report: one HTML file that needs nothing else, made from the views of `strava_analytics`."""
