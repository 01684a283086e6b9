"""What travels: the words, records and errors that every part of modelwire shares."""
