"""DPI: digital post to citizens, received as mailbox supplier (see README.md)."""
