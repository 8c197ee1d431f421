"""The texts of all messages, with one file for each kind of alert."""
