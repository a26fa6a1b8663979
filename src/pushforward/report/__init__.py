"""Tables, pictures and terminal views of run directories. Reads `pushforward.runs` alone; imports no torch."""
