"""Many processes that train one network: one file for each way to share the work, behind the interface in `team`."""
