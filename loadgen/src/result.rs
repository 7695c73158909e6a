//! Result.
