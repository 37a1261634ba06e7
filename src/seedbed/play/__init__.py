"""One HTML page on which hundreds of small networks train live, in the browser, on the reader's own
table."""
