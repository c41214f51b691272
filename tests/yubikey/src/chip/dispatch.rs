//! Which part of Trussed serves which call of the applet.

use trussed::backend::Backend as _;
use trussed::platform::Platform;
use trussed::serde_extensions::{ExtensionDispatch, ExtensionId, ExtensionImpl};
use trussed::service::ServiceResources;
use trussed::types::Context;
use trussed_auth::AuthExtension;
use trussed_auth_backend::{AuthBackend, AuthContext, FilesystemLayout};
use trussed_chunked::ChunkedExtension;
use trussed_core::Error;
use trussed_core::api::{Reply, Request, reply, request};
use trussed_core::types::Location;
use trussed_hpke::HpkeExtension;
use trussed_staging::{StagingBackend, StagingContext};
use trussed_wrap_key_to_file::WrapKeyToFileExtension;

/// The parts of Trussed beside its core.
#[derive(Debug)]
pub(crate) enum Backends {
    /// PINs.
    Auth,
    /// Chunked files, sealed and wrapped keys.
    Staging,
}

/// What each part remembers of one client.
#[derive(Default)]
pub(crate) struct Contexts {
    auth: AuthContext,
    staging: StagingContext,
}

/// The calls that are not Trussed's own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Extensions {
    /// PINs.
    Auth,
    /// Objects larger than one message.
    Chunked,
    /// Keys sealed to a public key.
    Hpke,
    /// Keys wrapped by a key.
    WrapKeyToFile,
}

impl From<Extensions> for u8 {
    fn from(extension: Extensions) -> Self {
        match extension {
            Extensions::Auth => 0,
            Extensions::Chunked => 1,
            Extensions::Hpke => 2,
            Extensions::WrapKeyToFile => 3,
        }
    }
}

impl TryFrom<u8> for Extensions {
    type Error = Error;

    fn try_from(id: u8) -> Result<Self, Error> {
        match id {
            0 => Ok(Self::Auth),
            1 => Ok(Self::Chunked),
            2 => Ok(Self::Hpke),
            3 => Ok(Self::WrapKeyToFile),
            _ => Err(Error::FunctionNotSupported),
        }
    }
}

impl ExtensionId<AuthExtension> for Dispatch {
    type Id = Extensions;
    const ID: Extensions = Extensions::Auth;
}

impl ExtensionId<ChunkedExtension> for Dispatch {
    type Id = Extensions;
    const ID: Extensions = Extensions::Chunked;
}

impl ExtensionId<HpkeExtension> for Dispatch {
    type Id = Extensions;
    const ID: Extensions = Extensions::Hpke;
}

impl ExtensionId<WrapKeyToFileExtension> for Dispatch {
    type Id = Extensions;
    const ID: Extensions = Extensions::WrapKeyToFile;
}

/// Sends each call where it belongs.
pub(crate) struct Dispatch {
    auth: AuthBackend,
    staging: StagingBackend,
}

impl Default for Dispatch {
    fn default() -> Self {
        Self {
            auth: AuthBackend::new(Location::Internal, FilesystemLayout::V0),
            staging: StagingBackend::new(),
        }
    }
}

impl ExtensionDispatch for Dispatch {
    type BackendId = Backends;
    type Context = Contexts;
    type ExtensionId = Extensions;

    fn core_request<P: Platform>(
        &mut self,
        backend: &Backends,
        context: &mut Context<Contexts>,
        request: &Request,
        resources: &mut ServiceResources<P>,
    ) -> Result<Reply, Error> {
        let Context { core, backends, .. } = context;
        match backend {
            Backends::Auth => self
                .auth
                .request(core, &mut backends.auth, request, resources),
            Backends::Staging => {
                self.staging
                    .request(core, &mut backends.staging, request, resources)
            }
        }
    }

    fn extension_request<P: Platform>(
        &mut self,
        backend: &Backends,
        extension: &Extensions,
        context: &mut Context<Contexts>,
        request: &request::SerdeExtension,
        resources: &mut ServiceResources<P>,
    ) -> Result<reply::SerdeExtension, Error> {
        let Context { core, backends, .. } = context;
        let Self { auth, staging } = self;
        match (backend, extension) {
            (Backends::Auth, Extensions::Auth) => {
                auth.extension_request_serialized(core, &mut backends.auth, request, resources)
            }
            (Backends::Staging, Extensions::Chunked) => {
                ExtensionImpl::<ChunkedExtension>::extension_request_serialized(
                    staging,
                    core,
                    &mut backends.staging,
                    request,
                    resources,
                )
            }
            (Backends::Staging, Extensions::Hpke) => {
                ExtensionImpl::<HpkeExtension>::extension_request_serialized(
                    staging,
                    core,
                    &mut backends.staging,
                    request,
                    resources,
                )
            }
            (Backends::Staging, Extensions::WrapKeyToFile) => {
                ExtensionImpl::<WrapKeyToFileExtension>::extension_request_serialized(
                    staging,
                    core,
                    &mut backends.staging,
                    request,
                    resources,
                )
            }
            (Backends::Auth, _) | (Backends::Staging, Extensions::Auth) => {
                Err(Error::RequestNotAvailable)
            }
        }
    }
}
