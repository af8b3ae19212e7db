//! `cargo local`: skeleton, being filled in.
fn main() {}
