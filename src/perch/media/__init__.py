"""The library: pictures, GIFs and videos of a workspace, checked, cleaned, stored, and handed to X."""
