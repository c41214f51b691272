//! Keeps one virtual TPM switched on until its standard input ends.
//!
//! `virtual-tpm FOLDER` makes a factory and a TPM in `FOLDER` the first time, and prints the
//! address for programs (`unix:PATH`) once the TPM answers there.

use std::{
    error::Error,
    io::{self, Read, Write},
    path::Path,
};

use wardkey_tests::tpm::{Certified, TpmFactory, VirtualTpm};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .ok_or("usage: virtual-tpm FOLDER")?;
    let folder = Path::new(&folder);
    let factory = TpmFactory::build(&folder.join("factory"))?;
    let laptop = folder.join("laptop");
    if !laptop.exists() {
        factory.make(&laptop, "laptop", Certified::Rsa2048AndP256)?;
    }
    let tpm = VirtualTpm::start(&laptop)?;
    writeln!(io::stdout(), "{}", tpm.address())?;
    io::stdin().read_to_end(&mut Vec::new())?;
    tpm.shut_down()?;
    Ok(())
}
