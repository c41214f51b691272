//! `wardkey-agent`: see the library's documentation.

fn main() {}
