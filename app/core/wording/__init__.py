"""Every text that is sent to people, one file for each kind of alert."""
