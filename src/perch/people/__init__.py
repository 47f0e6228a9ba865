"""Who may do what: workspaces, memberships, sessions, API tokens, invitations."""
