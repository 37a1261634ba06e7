"""Tables in: read, typed and checked; split; made inputs of networks by training rows only."""
