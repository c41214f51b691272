//! The key service and the site authorities.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use wardkey_fleet::Platform;
use wardkey_schemas::key::SigningKey;

use super::{REALM, Site, World, WorldError, file};
use crate::process::{self, Running, Said};

/// Where keyd keeps its data.
#[derive(Clone, Debug, Default)]
pub enum Database {
    /// A file of its own.
    #[default]
    Sqlite,
    /// A fresh database on this server: an administrator's address.
    Postgres(String),
}

/// What may differ between worlds.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// keyd's database.
    pub database: Database,
    /// Lines for the `[policy]` of keyd's settings.
    pub policy: Vec<String>,
    /// Where keyd and the authorities listen, if not on loopback.
    pub listen: Option<Ipv4Addr>,
    /// The video platform that keyd speaks to; none in most worlds.
    pub platform: Option<Platform>,
}

impl World {
    /// keyd's folder.
    pub fn keyd_folder(&self) -> PathBuf {
        self.folder.join("keyd")
    }

    /// keyd's settings.
    pub fn keyd_config(&self) -> PathBuf {
        self.keyd_folder().join("keyd.toml")
    }

    /// The trust bundle that was published last.
    pub fn bundle(&self) -> PathBuf {
        self.folder.join("bundle.json")
    }

    /// The name and address of keyd, once it runs.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unexpected`] before.
    pub fn keyd_address(&self) -> Result<String, WorldError> {
        let running = self
            .keyd
            .as_ref()
            .and_then(|keyd| keyd.ready_value("address"));
        running
            .map(str::to_owned)
            .ok_or_else(|| WorldError::Unexpected("keyd is not up".into()))
    }

    /// The address of keyd's operations listener.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unexpected`] before it runs.
    pub fn keyd_ops_address(&self) -> Result<String, WorldError> {
        let running = self.keyd.as_ref().and_then(|keyd| keyd.ready_value("ops"));
        running
            .map(str::to_owned)
            .ok_or_else(|| WorldError::Unexpected("keyd is not up".into()))
    }

    /// The address of a site's authority, once it runs.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unexpected`] before.
    pub fn authority_address(&self, site: &str) -> Result<String, WorldError> {
        let running = self.site(site)?.authority.as_ref();
        let address = running.and_then(|authority| authority.ready_value("address"));
        address
            .map(str::to_owned)
            .ok_or_else(|| WorldError::Unexpected("ca is not up".into()))
    }

    /// Makes the keys of a site's authority and its request to the root; and keyd's, the first time.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn prepare_site(&mut self, code: &str) -> Result<(), WorldError> {
        let root_sha256 = self.root_sha256()?;
        let folder = self.folder.join(format!("ca-{code}"));
        let mut command = self.ca();
        command
            .args([
                "init",
                "--site",
                code,
                "--realm",
                REALM,
                "--root-sha256",
                &root_sha256,
            ])
            .args(["--keyd-url", &format!("https://keyd.{REALM}")])
            .arg("--state")
            .arg(&folder);
        process::succeed(&mut command)?;
        let mut sign = self.ca();
        sign.args(["root", "sign", "certificate", "--folder"])
            .arg(self.root())
            .arg("--site-request")
            .arg(folder.join("site-request.json"));
        process::succeed(&mut sign)?;
        self.put_anchors(&folder)?;
        self.sites.push(Site {
            code: code.to_owned(),
            folder,
            authority: None,
        });
        Ok(())
    }

    fn put_anchors(&self, state: &Path) -> Result<(), WorldError> {
        let anchors = state.join("anchors");
        fs::create_dir_all(&anchors).map_err(file(&anchors))?;
        let (root, issuer) = self.maker_certificates()?;
        let token = self.cards.root_certificate();
        for from in [root, issuer, token] {
            let name = from.file_name().unwrap_or_default().to_owned();
            fs::copy(&from, anchors.join(name)).map_err(file(&from))?;
        }
        Ok(())
    }

    /// Makes keyd's folder and request, if it is not there, has it signed, and signs a bundle with
    /// everything that is certified so far.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn publish(&mut self) -> Result<(), WorldError> {
        let state = self.keyd_folder();
        if !state.exists() {
            let mut init = process::tied(&self.programs.keyd);
            init.args([
                "--log",
                "warn",
                "init",
                "--root-sha256",
                &self.root_sha256()?,
            ])
            .arg("--state")
            .arg(&state);
            process::succeed(&mut init)?;
            let mut sign = self.ca();
            sign.args(["root", "sign", "certificate", "--folder"])
                .arg(self.root())
                .arg("--service-authority")
                .arg(state.join("service-authority.csr"));
            process::succeed(&mut sign)?;
            self.put_anchors(&state)?;
            self.write_keyd_settings()?;
        }
        let mut bundle = self.ca();
        bundle
            .args(["root", "sign", "bundle", "--folder"])
            .arg(self.root())
            .arg("--out")
            .arg(self.bundle());
        process::succeed(&mut bundle)?;
        let mut import = process::tied(&self.programs.keyd);
        import
            .args(["--log", "warn", "trust", "--config"])
            .arg(self.keyd_config());
        import.arg(self.bundle());
        process::succeed(&mut import)?;
        Ok(())
    }

    /// The settings that `keyd init` wrote, with free ports, this world's policy and its database.
    fn write_keyd_settings(&self) -> Result<(), WorldError> {
        let path = self.keyd_config();
        let text = fs::read_to_string(&path).map_err(file(&path))?;
        let mut text = text
            .replace("127.0.0.1:8443", &self.free_port())
            .replace("127.0.0.1:9443", "127.0.0.1:0");
        if let Database::Postgres(admin) = &self.options.database {
            let url = services_database(admin)?;
            text = text.replace("[database]", &format!("[database]\nurl = \"{url}\""));
        }
        let policy = self.options.policy.join("\n");
        let mut text = text.replace("[policy]", &format!("[policy]\n{policy}"));
        if let Some(platform) = &self.options.platform {
            text.push_str(&self.introduce(platform)?);
        }
        fs::write(&path, text).map_err(file(&path))?;
        let mut migrate = process::tied(&self.programs.keyd);
        migrate
            .args(["--log", "warn", "migrate", "--config"])
            .arg(&path);
        process::succeed(&mut migrate)?;
        Ok(())
    }

    /// Makes keyd and a platform known to each other; the lines for keyd's settings.
    fn introduce(&self, platform: &Platform) -> Result<String, WorldError> {
        let state = self.keyd_folder();
        let order = state.join("keys/order.p8");
        let order = fs::read(&order).map_err(file(&order))?;
        let order = SigningKey::from_pkcs8(&order)
            .map_err(|_| WorldError::Unexpected("keyd's order key is none".to_owned()))?;
        platform.believe(*order.public());
        let key = state.join("platform.jwk");
        let jwk = serde_json::to_vec(platform.key())
            .map_err(|error| WorldError::Unexpected(error.to_string()))?;
        fs::write(&key, jwk).map_err(file(&key))?;
        let (url, key) = (platform.url(), key.display());
        Ok(format!(
            "[platform]\nurl = \"{url}\"\nkey_file = \"{key}\"\n"
        ))
    }

    /// Any free port of where services listen.
    fn free_port(&self) -> String {
        let address = self.options.listen.unwrap_or(Ipv4Addr::LOCALHOST);
        format!("{address}:0")
    }

    /// Starts keyd, or starts it again on the same address.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn start_keyd(&mut self) -> Result<(), WorldError> {
        let mut command = process::tied(&self.programs.keyd);
        command.args(["--log", "info,wardkey_keyd=debug", "serve", "--config"]);
        command.arg(self.keyd_config());
        let running = Running::start(command, &self.programs.keyd, &self.log("keyd"))?;
        let found = |name| running.ready_value(name).map(str::to_owned);
        let (address, ops) = (found("address"), found("ops"));
        self.keyd = Some(running);
        // Everybody knows it by this address from now on, also after a restart.
        let path = self.keyd_config();
        let mut text = fs::read_to_string(&path).map_err(file(&path))?;
        let free = self.free_port();
        for (name, free, found) in [
            ("address", free.as_str(), address),
            ("ops", "127.0.0.1:0", ops),
        ] {
            if let Some(found) = found {
                let line = format!("{name} = \"{free}\"");
                text = text.replace(&line, &format!("{name} = \"{found}\""));
            }
        }
        fs::write(&path, text).map_err(file(&path))
    }

    /// keyd's process.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unexpected`] if it was not started.
    pub fn keyd(&mut self) -> Result<&mut Running, WorldError> {
        self.keyd
            .as_mut()
            .ok_or_else(|| WorldError::Unexpected("keyd is not up".into()))
    }

    /// Ends keyd as a power cut would.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn kill_keyd(&mut self) -> Result<(), WorldError> {
        match self.keyd.take() {
            Some(keyd) => Ok(keyd.kill()?),
            None => Ok(()),
        }
    }

    /// Stops keyd in order.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn stop_keyd(&mut self) -> Result<(), WorldError> {
        match self.keyd.take() {
            Some(keyd) => Ok(keyd.stop()?),
            None => Ok(()),
        }
    }

    /// The settings of a site's authority.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unexpected`] if there is no such site.
    pub fn authority_config(&self, site: &str) -> Result<PathBuf, WorldError> {
        Ok(self.site(site)?.folder.join("ca.toml"))
    }

    /// Runs a command of a site's authority.
    ///
    /// # Errors
    ///
    /// [`WorldError`] if it cannot be run.
    pub fn authority(&self, site: &str, words: &[&str]) -> Result<Said, WorldError> {
        let config = self.authority_config(site)?;
        let mut command = self.ca();
        command.args(["--log", "warn"]).args(words);
        Ok(process::run(command.arg("--config").arg(&config))?)
    }

    /// Gives a site's authority its certificate and keyd's address, and starts it.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn start_authority(&mut self, site: &str) -> Result<(), WorldError> {
        let config = self.authority_config(site)?;
        self.tell_keyd_address(&config)?;
        let mut take = self.ca();
        take.args(["--log", "warn", "certificate", "--config"])
            .arg(&config);
        take.arg("--bundle").arg(self.bundle());
        process::succeed(&mut take)?;
        let mut command = self.ca();
        command
            .args(["--log", "info,wardkey_ca=debug", "serve", "--config"])
            .arg(&config);
        let log = self.log(&format!("ca-{site}"));
        let running = Running::start(command, &self.programs.ca, &log)?;
        let found = self.sites.iter_mut().find(|known| known.code == site);
        if let Some(found) = found {
            found.authority = Some(running);
        }
        Ok(())
    }

    /// Ends a site's authority as a power cut would.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn kill_authority(&mut self, site: &str) -> Result<(), WorldError> {
        let found = self.sites.iter_mut().find(|known| known.code == site);
        match found.and_then(|site| site.authority.take()) {
            Some(authority) => Ok(authority.kill()?),
            None => Ok(()),
        }
    }

    /// Writes into settings where keyd listens and that ports are free to choose.
    fn tell_keyd_address(&self, config: &Path) -> Result<(), WorldError> {
        let address = self.keyd_address()?;
        let text = fs::read_to_string(config).map_err(file(config))?;
        let mut table: toml::Table = text
            .parse()
            .map_err(|error| WorldError::Unexpected(format!("{}: {error}", config.display())))?;
        if let Some(keyd) = table.get_mut("keyd").and_then(toml::Value::as_table_mut) {
            keyd.insert("connect".to_owned(), address.into());
        }
        table.insert("listen".to_owned(), self.free_port().into());
        fs::write(config, table.to_string()).map_err(file(config))
    }
}

/// Makes a database with a name of its own and gives its address.
fn services_database(admin: &str) -> Result<String, WorldError> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("world_{}_{number}", std::process::id());
    let mut create = process::tied("psql");
    create.args(["--no-psqlrc", "--quiet", "--command"]);
    create.arg(format!("create database {name}")).arg(admin);
    process::succeed(&mut create)?;
    let (server, old) = admin
        .rsplit_once('/')
        .ok_or_else(|| WorldError::Unexpected(format!("`{admin}` names no database")))?;
    let options = old
        .split_once('?')
        .map_or_else(String::new, |(_, o)| format!("?{o}"));
    Ok(format!("{server}/{name}{options}"))
}
