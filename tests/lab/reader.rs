//! Virtual security keys in the readers of a private pcscd.
