"""What other programs show: a badge for wikis and dashboards, and a calendar to subscribe to."""
