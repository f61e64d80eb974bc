"""What happens, told to people and programs: log lines, JSON lines, transcripts, reports, gauges."""
