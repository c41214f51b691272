//! Virtual TPMs: manufactured, powered and measured like the one in a laptop.
