//! Where a TPM is reached.

use std::{fmt, path::PathBuf, str::FromStr};

/// Where a TPM is reached, as written in settings: `/dev/tpmrm0`, `unix:PATH` or `tcp:HOST:PORT`.
///
/// The sockets speak plain TPM frames, as `swtpm socket --server` does.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum TpmAddress {
    /// A character device of the kernel's driver. `/dev/tpmrm0` (with the kernel's resource
    /// manager) lets several programs use the TPM at once; `/dev/tpm0` does not.
    Device(PathBuf),
    /// A Unix stream socket.
    Unix(PathBuf),
    /// A TCP socket.
    Tcp {
        /// A name or an address; IPv6 without its brackets.
        host: String,
        /// 1 to 65535.
        port: u16,
    },
}

/// Why a text is no [`TpmAddress`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TpmAddressError {
    /// Neither an absolute path nor one of the two prefixes.
    #[error("`{found}` is neither an absolute path nor `unix:PATH` nor `tcp:HOST:PORT`")]
    NoSuchKind {
        /// The text.
        found: String,
    },
    /// The host of `tcp:HOST:PORT` is empty.
    #[error("`{found}` names no host")]
    NoHost {
        /// The text.
        found: String,
    },
    /// The path of `unix:PATH` is empty.
    #[error("`{found}` names no path")]
    NoPath {
        /// The text.
        found: String,
    },
    /// The port of `tcp:HOST:PORT` is not a number from 1 to 65535.
    #[error("`{found}` names no port from 1 to 65535")]
    NoPort {
        /// The text.
        found: String,
    },
}

impl FromStr for TpmAddress {
    type Err = TpmAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = || text.to_owned();
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() {
                return Err(TpmAddressError::NoPath { found: found() });
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        if let Some(rest) = text.strip_prefix("tcp:") {
            let (host, port) = rest
                .rsplit_once(':')
                .ok_or_else(|| TpmAddressError::NoPort { found: found() })?;
            let port = port
                .parse::<u16>()
                .ok()
                .filter(|port| *port != 0)
                .ok_or_else(|| TpmAddressError::NoPort { found: found() })?;
            let host = host
                .strip_prefix('[')
                .and_then(|inner| inner.strip_suffix(']'))
                .unwrap_or(host);
            if host.is_empty() {
                return Err(TpmAddressError::NoHost { found: found() });
            }
            return Ok(Self::Tcp {
                host: host.to_owned(),
                port,
            });
        }
        if text.starts_with('/') {
            return Ok(Self::Device(PathBuf::from(text)));
        }
        Err(TpmAddressError::NoSuchKind { found: found() })
    }
}

impl fmt::Display for TpmAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(path) => write!(f, "{}", path.display()),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp:[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp:{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_it_was_written() {
        let cases = [
            (
                "/dev/tpmrm0",
                TpmAddress::Device(PathBuf::from("/dev/tpmrm0")),
            ),
            (
                "unix:/run/lab/tpm.sock",
                TpmAddress::Unix(PathBuf::from("/run/lab/tpm.sock")),
            ),
            ("unix:tpm.sock", TpmAddress::Unix(PathBuf::from("tpm.sock"))),
            (
                "tcp:127.0.0.1:2321",
                TpmAddress::Tcp {
                    host: "127.0.0.1".to_owned(),
                    port: 2321,
                },
            ),
            (
                "tcp:[::1]:2321",
                TpmAddress::Tcp {
                    host: "::1".to_owned(),
                    port: 2321,
                },
            ),
        ];
        for (text, address) in cases {
            assert_eq!(text.parse::<TpmAddress>(), Ok(address.clone()), "{text}");
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn an_address_that_leads_nowhere_is_an_error() {
        let error = |text: &str| text.parse::<TpmAddress>().unwrap_err();
        let found = |text: &str| text.to_owned();
        assert_eq!(error(""), TpmAddressError::NoSuchKind { found: found("") });
        assert_eq!(
            error("tpmrm0"),
            TpmAddressError::NoSuchKind {
                found: found("tpmrm0")
            }
        );
        assert_eq!(
            error("unix:"),
            TpmAddressError::NoPath {
                found: found("unix:")
            }
        );
        assert_eq!(
            error("tcp:"),
            TpmAddressError::NoPort {
                found: found("tcp:")
            }
        );
        assert_eq!(
            error("tcp::2321"),
            TpmAddressError::NoHost {
                found: found("tcp::2321")
            }
        );
        assert_eq!(
            error("tcp:h:0"),
            TpmAddressError::NoPort {
                found: found("tcp:h:0")
            }
        );
        assert_eq!(
            error("tcp:h:65536"),
            TpmAddressError::NoPort {
                found: found("tcp:h:65536")
            }
        );
    }
}
