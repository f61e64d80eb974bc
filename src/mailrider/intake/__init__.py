"""The doors by which mail comes in: SMTP and LMTP listeners."""
