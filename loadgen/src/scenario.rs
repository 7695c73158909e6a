//! How many allocations should be up, and when calls begin and end.
