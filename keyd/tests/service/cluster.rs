//! PostgreSQL of a test's own: a primary with a standby that can take over, reached by one address.
//!
//! Both listen on sockets in folders of their own; the address is a link to one of them, as a
//! virtual address is in an installation. PostgreSQL refuses to run as root: root starts it as user
//! `postgres`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

/// Starting takes a second or two; a busy machine may take longer.
const START: Duration = Duration::from_mins(1);

/// A server; killed when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT is PostgreSQL's shutdown without a word to anybody.
        let _ = kill_process(Pid::from_child(&self.0), Signal::QUIT);
        let _ = self.0.wait();
    }
}

/// A primary and its standby.
pub(crate) struct Cluster {
    primary: Option<Server>,
    standby: Option<Server>,
    folder: TempDir,
}

/// Debian's folder of the newest version.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").unwrap();
    let numbered = versions.filter_map(|entry| {
        let path = entry.unwrap().path();
        let number: u32 = path.file_name()?.to_str()?.parse().ok()?;
        let bin = path.join("bin");
        bin.join("postgres").is_file().then_some((number, bin))
    });
    numbered.max().expect("a PostgreSQL server").1
}

/// A program of PostgreSQL that dies with us.
fn command(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    if geteuid().is_root() {
        command.args([
            "--reuid",
            "postgres",
            "--regid",
            "postgres",
            "--init-groups",
        ]);
    }
    command.args(["--pdeathsig", "QUIT", "--"]);
    command.arg(programs().join(program)).stdin(Stdio::null());
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

impl Cluster {
    /// A primary, and a standby that has all of it and follows.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("wardkey-cluster-")
            .tempdir()
            .unwrap();
        for name in ["primary", "standby"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        if geteuid().is_root() {
            let mut chown = Command::new("chown");
            run(chown.args(["-R", "postgres:"]).arg(folder.path()));
        }
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let mut cluster = Self {
            primary: None,
            standby: None,
            folder,
        };
        let [primary, standby] = ["primary", "standby"].map(|name| cluster.data(name));
        run(command("initdb")
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
            .args(["--no-locale", "--no-sync", "--no-instructions", "--pgdata"])
            .arg(&primary));
        cluster.primary = Some(cluster.serve("primary"));
        run(command("pg_basebackup")
            .args(["--username=postgres", "--checkpoint=fast", "--no-sync"])
            .args(["--write-recovery-conf", "--wal-method=stream", "--host"])
            .arg(cluster.folder.path().join("primary"))
            .arg("--pgdata")
            .arg(&standby));
        cluster.standby = Some(cluster.serve("standby"));
        symlink("primary", cluster.address()).unwrap();
        cluster
    }

    fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join(name).join("data")
    }

    fn address(&self) -> PathBuf {
        self.folder.path().join("address")
    }

    /// Its address, as an administrator who may create databases.
    pub(crate) fn url(&self) -> String {
        let folder = self.address().display().to_string().replace('/', "%2F");
        format!("postgres://postgres@localhost/postgres?host={folder}")
    }

    fn serve(&self, name: &str) -> Server {
        let mut server = command("postgres")
            .arg("-D")
            .arg(self.data(name))
            .arg("-k")
            .arg(self.folder.path().join(name))
            .args(["-c", "listen_addresses=", "-c", "shared_buffers=16MB"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = server.stderr.take().unwrap();
        let (ready, readiness) = mpsc::channel();
        // Goes on reading, so that it never waits for us.
        std::thread::spawn(move || {
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                if line.contains("ready to accept") {
                    let _ = ready.send(());
                }
            }
        });
        readiness.recv_timeout(START).expect("PostgreSQL starts");
        Server(server)
    }

    /// Commits wait from now on until the standby has them too.
    pub(crate) async fn wait_for_standby(&self) {
        self.set("alter system set synchronous_standby_names = '*'")
            .await;
    }

    /// Commits wait for nobody any more.
    pub(crate) async fn no_longer_wait(&self) {
        self.set("alter system reset synchronous_standby_names")
            .await;
    }

    async fn set(&self, sql: &'static str) {
        let pool = sqlx::PgPool::connect(&self.url()).await.unwrap();
        for sql in [sql, "select pg_reload_conf()"] {
            sqlx::query(sql).execute(&pool).await.unwrap();
        }
        pool.close().await;
    }

    /// The standby hears nothing more of the primary.
    pub(crate) fn part(&mut self) {
        self.standby = None;
    }

    /// The primary dies, the standby becomes the primary, and the address leads to it.
    pub(crate) fn fail_over(&mut self) {
        self.primary = None;
        if self.standby.is_none() {
            self.standby = Some(self.serve("standby"));
        }
        run(command("pg_ctl")
            .args(["promote", "--pgdata"])
            .arg(self.data("standby")));
        let new = self.folder.path().join("new-address");
        symlink(Path::new("standby"), &new).unwrap();
        fs::rename(new, self.address()).unwrap();
    }
}
