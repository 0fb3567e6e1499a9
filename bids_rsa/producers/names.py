"""The names of the programs that --source knows, light to import."""

BIDS_NAMED = ("statmaps", "nibetaseries", "bidspm")
FOLDERS = ("spm", "feat", "afni", "glmsingle", "files")
SOURCES = ("auto", *BIDS_NAMED, *FOLDERS)
