"""A saved model answers over HTTP: records in, probabilities with their spread and what is strange
about a row out."""
