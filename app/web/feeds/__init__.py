"""Content for other programs: a badge for wikis and dashboards, and a calendar to subscribe to."""
