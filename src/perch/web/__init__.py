"""The web: pages for people, and the faces that machines talk to."""
