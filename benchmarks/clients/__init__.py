"""The programs that Mailrider is compared with, each the plainest fast use of its library."""
