"""NiBetaSeries: ``..._desc-<trial type>_betaseries``, 4D, one volume for each trial.

Naming after NiBetaSeries' own datasink (src/nibetaseries/interfaces/nilearn.py and workflows).
"""

from collections.abc import Sequence

from bids_rsa.discovery.index import IndexedFile
from bids_rsa.producers.common import IMAGE_EXTENSIONS, from_bids
from bids_rsa.records import ConditionImage
from bids_rsa.spaces.headers import header_of


def find(files: Sequence[IndexedFile]) -> list[ConditionImage]:
    """Turn one participant's beta series into records: the trials of a type are its repeats.

    Raises
    ------
    ContentError
        A damaged file.
    """
    found = []
    for file in files:
        if file.suffix == "betaseries" and file.extension in IMAGE_EXTENSIONS and file.desc:
            found += [
                from_bids(file, file.desc, "effect", "nibetaseries", volume=volume)
                for volume in range(header_of(file.path).n_volumes)
            ]
    return found
