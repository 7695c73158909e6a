//! turnload: a load generator for TURN servers.
