//! Ed25519 keys of logs and witnesses, by the names that C2SP `signed-note` gives them.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};

use crate::{TlogError, malformed, text};

/// Characters in a name at most; a name is a host and a path.
const NAME_CHARS: usize = 128;

/// What a key signs; the byte that stands for it in key numbers.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// Checkpoints of its own log (`signed-note` type 01).
    Log,
    /// That it saw a checkpoint, and when (`tlog-cosignature` v1, type 04).
    Witness,
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Log => 1,
            Self::Witness => 4,
        }
    }
}

/// The name of a key: not empty, without spaces and plus signs.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyName(String);

impl KeyName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = TlogError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let unfit = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if name.is_empty() || name.chars().count() > NAME_CHARS || name.contains(unfit) {
            let why = "empty, too long, or with a space or plus sign";
            return Err(malformed("the name of a key", why));
        }
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A public key with its name, printed as `name+number+key`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct VerifierKey {
    name: KeyName,
    kind: Kind,
    public: [u8; 32],
}

impl VerifierKey {
    /// Puts a key together.
    ///
    /// # Errors
    ///
    /// [`TlogError::Key`] if it is no point of the curve.
    pub fn new(name: KeyName, kind: Kind, public: [u8; 32]) -> Result<Self, TlogError> {
        ParsedPublicKey::new(&ED25519, public).map_err(|_| TlogError::Key)?;
        Ok(Self { name, kind, public })
    }

    /// Its name; a log's is its origin.
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// What it signs.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The 32 bytes of the key.
    pub const fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// The number that stands before its signatures: a hash of name, kind and key.
    pub fn number(&self) -> [u8; 4] {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(self.name.0.as_bytes());
        hash.update(&[b'\n', self.kind.byte()]);
        hash.update(&self.public);
        let hash = hash.finish();
        let mut number = [0; 4];
        for (to, from) in number.iter_mut().zip(hash.as_ref()) {
            *to = *from;
        }
        number
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        ParsedPublicKey::new(&ED25519, self.public)
            .is_ok_and(|key| key.verify_sig(message, signature).is_ok())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u32::from_be_bytes(self.number());
        let mut key = vec![self.kind.byte()];
        key.extend_from_slice(&self.public);
        write!(f, "{}+{number:08x}+{}", self.name, text::encode(&key))
    }
}

impl FromStr for VerifierKey {
    type Err = TlogError;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let wrong = |why| malformed("a verifier key", why);
        let (name, rest) = line.split_once('+').ok_or_else(|| wrong("no plus sign"))?;
        let (_, key) = rest.split_once('+').ok_or_else(|| wrong("one plus sign"))?;
        let key = text::decode(key).ok_or_else(|| wrong("not base64"))?;
        let (kind, public) = key.split_first().ok_or_else(|| wrong("empty"))?;
        let kind = match *kind {
            1 => Kind::Log,
            4 => Kind::Witness,
            _ => return Err(wrong("neither a log's nor a witness's Ed25519 key")),
        };
        let public = public.try_into().map_err(|_| wrong("not 32 bytes"))?;
        let parsed = Self::new(name.parse()?, kind, public)?;
        // The number is checked by printing it again.
        if parsed.to_string() == line {
            Ok(parsed)
        } else {
            Err(wrong("its number is not that of its name and key"))
        }
    }
}

/// A key that signs.
pub struct SignerKey {
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
}

impl SignerKey {
    /// Takes a key in PKCS#8 (RFC 8410).
    ///
    /// # Errors
    ///
    /// [`TlogError::Key`].
    pub fn from_pkcs8(name: KeyName, kind: Kind, pkcs8: &[u8]) -> Result<Self, TlogError> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| TlogError::Key)?;
        Self::from_pair(name, kind, pair)
    }

    /// Takes the 32 bytes that a key is made of.
    ///
    /// # Errors
    ///
    /// [`TlogError::Key`].
    pub fn from_seed(name: KeyName, kind: Kind, seed: &[u8; 32]) -> Result<Self, TlogError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| TlogError::Key)?;
        Self::from_pair(name, kind, pair)
    }

    fn from_pair(name: KeyName, kind: Kind, pair: Ed25519KeyPair) -> Result<Self, TlogError> {
        let public = pair.public_key().as_ref();
        let public = public.try_into().map_err(|_| TlogError::Key)?;
        let verifier = VerifierKey::new(name, kind, public)?;
        Ok(Self { pair, verifier })
    }

    /// The public half.
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({})", self.verifier)
    }
}
