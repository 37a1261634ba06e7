"""Verdicts on scores of any library: a file or a data frame of scores in, conclusions about the
candidates out."""
