//! The rtcscope program.
fn main() {}
