"""From typed columns to inputs of networks; every statistic comes from training rows alone."""
