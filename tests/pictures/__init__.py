"""The pictures in docs/, drawn by the program itself; none of it is a test."""
