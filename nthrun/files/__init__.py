"""Reading what somebody else may have written: regular files, JSON, and the forms of documents."""
