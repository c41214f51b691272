//! The way from a laptop to the key service: direct, or through somebody who ends TLS.

use std::fs;

use super::{Laptop, REALM, World, WorldError, file};
use crate::net::SERVICES;
use crate::net::proxy::Proxy;

impl World {
    /// Somebody between a laptop and the key service. Nothing goes through them yet.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn proxy(&self, laptop: &Laptop) -> Result<Proxy, WorldError> {
        let root = laptop.folder().join("image/root.der");
        let root = fs::read(&root).map_err(file(&root))?;
        let keyd = self.keyd_address()?;
        let keyd = keyd
            .parse()
            .map_err(|_| WorldError::Unexpected(format!("`{keyd}` is no address")))?;
        Ok(Proxy::start(
            SERVICES,
            &format!("keyd.{REALM}"),
            keyd,
            root,
        )?)
    }

    /// Starts a laptop's agent anew with settings that name the proxy's address and its root, as the
    /// settings of a network that inspects TLS do.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn send_through(&self, laptop: &mut Laptop, proxy: &Proxy) -> Result<(), WorldError> {
        self.write_settings(laptop)?;
        let root = laptop.folder().join("image/inspection.pem");
        fs::write(&root, proxy.root()).map_err(file(&root))?;
        let path = laptop.agent_config();
        let text = fs::read_to_string(&path).map_err(file(&path))?;
        let text = text.replace(&self.keyd_address()?, &proxy.address().to_string());
        let text = format!("extra_roots = [\"{}\"]\n{text}", root.display());
        fs::write(&path, text).map_err(file(&path))?;
        laptop.kill_agent()?;
        laptop.start()
    }

    /// Starts a laptop's agent anew with its usual settings.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn send_directly(&self, laptop: &mut Laptop) -> Result<(), WorldError> {
        self.write_settings(laptop)?;
        laptop.kill_agent()?;
        laptop.start()
    }
}
