"""What came out: records, shards, the experiment directory, combined data.

`open_data` gives the nested data dict of a shard, an experiment directory, `data.json` or
`data.h5`, and `table` one row a run.
"""

from nthrun.records.data import Data, open_data, table

__all__ = ["Data", "open_data", "table"]
