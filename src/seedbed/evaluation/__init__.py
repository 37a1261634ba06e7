"""Better, or chance? Pure functions from arrays to numbers: scores, intervals, paired tests,
calibration, verdicts.

Nothing here trains, reads or prints. Differences are always `loss of the reference - loss of the
candidate`, so positive means that the candidate is better. A value that isn't defined is None.
"""
