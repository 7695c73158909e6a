//! The turnload program.
fn main() {}
