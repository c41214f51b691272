//! Real handshakes with chains of every age: what a laptop takes, and what an administered machine
//! takes.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd as date,
};
use rustls_pki_types::ServerName;
use tokio::io::duplex;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use wardkey_edge::dates::{Dates, Past};
use wardkey_edge::tls::{self, Identity};

const NAME: &str = "keyd.wardkey.test";

/// First and last year of a certificate.
type Years = (i32, i32);

/// A server's chain below its root.
struct Chain {
    root: Vec<u8>,
    shown: Vec<Vec<u8>>,
    key: Vec<u8>,
}

fn params(names: &[&str], (first, last): Years) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date(first, 1, 1);
    params.not_after = date(last, 1, 1);
    params
}

fn authority(years: Years) -> CertificateParams {
    let mut params = params(&[], years);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Chain {
    fn new(authority_years: Years, server_years: Years) -> Self {
        let root = CertifiedIssuer::self_signed(authority((2001, 2002)), key()).unwrap();
        let mut params_of_authority = authority(authority_years);
        let name = rcgen::DnType::CommonName;
        params_of_authority.distinguished_name.push(name, "service");
        let service = CertifiedIssuer::signed_by(params_of_authority, key(), &root).unwrap();
        let key = key();
        let leaf = params(&[NAME], server_years);
        let leaf = leaf.signed_by(&key, &service).unwrap();
        Self {
            root: root.der().to_vec(),
            shown: vec![leaf.der().to_vec(), service.der().to_vec()],
            key: key.serialize_der(),
        }
    }

    /// Whether a client that believes `root` takes this server for `name`.
    async fn taken(&self, root: &[u8], name: &'static str, dates: &Dates) -> Result<(), String> {
        let identity = Identity::new(self.shown.clone(), &self.key).unwrap();
        let acceptor = TlsAcceptor::from(tls::server(identity).unwrap());
        let client = tls::client([root.to_vec()], dates).unwrap();
        let connector = TlsConnector::from(std::sync::Arc::new(client));
        let (near, far) = duplex(64 * 1024);
        let name = ServerName::try_from(name).unwrap();
        let (connected, _accepted) =
            tokio::join!(connector.connect(name, near), acceptor.accept(far));
        connected.map(drop).map_err(|error| error.to_string())
    }

    async fn taken_by(&self, dates: &Dates) -> Result<(), String> {
        self.taken(&self.root, NAME, dates).await
    }
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

/// A laptop that believes in nothing later than the beginning of `year`.
fn laptop(year: Option<i32>) -> Dates {
    let past = Past::default();
    if let Some(year) = year {
        past.raise(format!("{year}-01-01T00:00:00Z").parse().unwrap());
    }
    Dates::Past(past)
}

#[tokio::test]
async fn a_laptop_judges_a_chain_by_its_own_dates_and_others_by_the_calendar() {
    for years in [(2003, 2004), (2080, 2090)] {
        let chain = Chain::new(years, years);
        assert_eq!(chain.taken_by(&laptop(None)).await, Ok(()), "{years:?}");
        let error = chain.taken_by(&Dates::Calendar).await.unwrap_err();
        assert!(
            error.contains("expired") || error.contains("not valid yet"),
            "{error}"
        );
    }
    let now = Chain::new((2003, 2090), (2004, 2090));
    assert_eq!(now.taken_by(&Dates::Calendar).await, Ok(()));
    assert_eq!(now.taken_by(&laptop(None)).await, Ok(()));
    assert_eq!(now.taken_by(&laptop(Some(2060))).await, Ok(()));
}

#[tokio::test]
async fn a_chain_that_had_ended_before_what_is_certainly_past_is_refused() {
    let chain = Chain::new((2003, 2090), (2020, 2021));
    assert_eq!(chain.taken_by(&laptop(Some(2020))).await, Ok(()));
    let error = chain.taken_by(&laptop(Some(2022))).await.unwrap_err();
    assert!(error.contains("expired"), "{error}");
    // The authority's end counts as well.
    let chain = Chain::new((2003, 2021), (2020, 2090));
    assert_eq!(chain.taken_by(&laptop(Some(2020))).await, Ok(()));
    let error = chain.taken_by(&laptop(Some(2022))).await.unwrap_err();
    assert!(error.contains("expired"), "{error}");
}

#[tokio::test]
async fn what_is_certainly_past_only_rises_and_is_one_for_all_who_have_a_copy() {
    let chain = Chain::new((2003, 2090), (2020, 2021));
    let past = Past::default();
    let dates = Dates::Past(past.clone());
    past.raise("2022-01-01T00:00:00Z".parse().unwrap());
    past.raise("2020-06-01T00:00:00Z".parse().unwrap());
    assert!(chain.taken_by(&dates).await.is_err());
}

#[tokio::test]
async fn a_chain_whose_certificates_were_never_good_together_is_refused() {
    let chain = Chain::new((2003, 2004), (2005, 2006));
    let error = chain.taken_by(&laptop(None)).await.unwrap_err();
    assert!(error.contains("expired"), "{error}");
}

#[tokio::test]
async fn dates_excuse_neither_another_root_nor_another_name() {
    let chain = Chain::new((2003, 2090), (2003, 2090));
    let other = Chain::new((2003, 2090), (2003, 2090));
    for dates in [laptop(None), laptop(Some(2020)), Dates::Calendar] {
        let error = chain.taken(&other.root, NAME, &dates).await.unwrap_err();
        assert!(
            error.contains("UnknownIssuer") || error.contains("BadSignature"),
            "{error}"
        );
        let name = "ca.wardkey.test";
        let error = chain.taken(&chain.root, name, &dates).await.unwrap_err();
        assert!(error.contains("not valid for name"), "{error}");
    }
    let mut cut = Chain::new((2003, 2090), (2003, 2090));
    cut.shown.truncate(1);
    let error = cut.taken_by(&laptop(None)).await.unwrap_err();
    assert!(error.contains("UnknownIssuer"), "{error}");
}
