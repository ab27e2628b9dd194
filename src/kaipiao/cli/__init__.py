"""The command line. Data on stdout, progress and errors on stderr; Chinese unless the environment says English."""
