//! Whom to trust.

use wardkey_schemas::bundle::{
    BundlePackage, BundleVersion, EkAnchor, FirstKey, PolicyFloor, Profile, ServiceKeys,
    SiteAuthority, SiteCharter, TokenAnchor, TrustBundle,
};
use wardkey_schemas::names::Firmware;
use wardkey_schemas::record::{LogKey, LogPublicKey};
use wardkey_schemas::registration::{SiteHello, SiteWelcome};
use wardkey_schemas::role::Role;

use super::Signer;
use super::things::{at, bytes, charter_id, digest, realm, site};

pub(super) fn bundle() -> TrustBundle {
    TrustBundle {
        version: BundleVersion::new(2),
        previous: Some(digest("version 1")),
        issued_at: at(0),
        realm: realm(),
        profile: Profile::Production,
        service_authority: bytes("the service authority (DER)"),
        site_authorities: vec![SiteAuthority {
            site: site(),
            certificate: bytes("the site authority (DER)"),
        }],
        token_anchors: vec![TokenAnchor {
            sha256: digest("a maker's root of tokens"),
        }],
        ek_anchors: vec![EkAnchor {
            sha256: digest("a maker's root of TPMs"),
            manufacturers: vec!["id:494E5443".to_owned()],
        }],
        policy_floor: PolicyFloor {
            oldest_token_firmware: Firmware {
                major: 5,
                minor: 7,
                patch: 0,
            },
            pcrs: vec![0, 2, 4, 7],
        },
    }
}

pub(super) fn package() -> BundlePackage {
    BundlePackage {
        root: bytes("the root (DER)"),
        signer: bytes("the bundle signer (DER)"),
        bundle: Signer::Bundle.seals(&bundle()),
    }
}

pub(super) fn charter() -> SiteCharter {
    SiteCharter {
        charter: charter_id(),
        realm: realm(),
        site: site(),
        authority: digest("the site authority (DER)"),
        registrar: Signer::Registrar.public(),
        first_keys: vec![
            FirstKey {
                key: Signer::Lead.thumbprint(),
                role: Role::Lead,
            },
            FirstKey {
                key: Signer::Officer.thumbprint(),
                role: Role::SecurityOfficer,
            },
        ],
        issued_at: at(0),
    }
}

pub(super) fn site_hello() -> SiteHello {
    SiteHello {
        charter: Signer::Bundle.seals(&charter()),
    }
}

pub(super) fn site_welcome() -> SiteWelcome {
    SiteWelcome {
        site: site(),
        bundle: package(),
        service_keys: service_keys(),
    }
}

pub(super) fn service_keys() -> ServiceKeys {
    ServiceKeys {
        certificates: vec![
            bytes("the lease key (DER)"),
            bytes("the order key (DER)"),
            bytes("the answer key (DER)"),
            bytes("the status key (DER)"),
        ],
    }
}

pub(super) fn log_key() -> LogKey {
    LogKey {
        realm: realm(),
        key: LogPublicKey::new(*digest("the log's key").as_bytes()),
        issued_at: at(0),
    }
}
