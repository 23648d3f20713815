"""Problems on accounts: the reasons for them, and their life."""
