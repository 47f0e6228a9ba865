"""Posts: drafts, rules, scheduling, publishing in a fixed order, and the story of each."""
