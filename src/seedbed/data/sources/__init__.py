"""What a user may call a table: files, databases, data frames, arrays, examples."""
