"""The version, without imports: the build reads it as text, and the command line at once."""

VERSION = "0.1.0"
