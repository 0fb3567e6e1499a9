"""From files on disk to frozen records: index, selection, conditions, masks."""
