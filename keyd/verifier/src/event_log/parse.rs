//! Reading a crypto-agile log: little-endian records within fixed limits (PFP §10.2).

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::{Code, Refusal, limits};

use super::{Event, EventKind, EventLog, MOST_EVENT_BYTES, MOST_EVENTS};

/// `TPM_ALG_SHA256`.
const SHA256: u16 = 0x000b;

/// Banks in one log (`HASH_COUNT`): no TPM implements as many hashes.
const MOST_BANKS: u32 = 16;

/// The longest digest of any hash, SHA-512's.
const MOST_DIGEST_BYTES: u16 = 64;

/// The signature of the first record of a crypto-agile log (PFP §10.4.5.1).
const SPEC_ID: &[u8; 16] = b"Spec ID Event03\0";

/// The signature of a startup locality event (PFP §10.4.5.3).
const STARTUP_LOCALITY: &[u8; 16] = b"StartupLocality\0";

/// The localities from which a TPM can be started (PFP §10.4.5.3, TPM 2.0 Part 3 §9.3): by firmware
/// at 0 or 3, by a hardware root of trust at 4.
const LOCALITIES: [u8; 3] = [0, 3, 4];

impl<'a> EventLog<'a> {
    /// Parses a crypto-agile event log with a SHA-256 bank, to its last byte.
    ///
    /// # Errors
    ///
    /// `LOG_MALFORMED`: it breaks the format or one of the limits, or has no SHA-256 bank.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        if bytes.len() > limits::EVENT_LOG_BYTES {
            return Err(malformed(
                0,
                format_args!("a log of {} bytes", bytes.len()),
                format_args!("at most {} bytes", limits::EVENT_LOG_BYTES),
            ));
        }
        let mut records = Records { rest: bytes, at: 0 };
        let banks = records.spec_id()?;
        let mut log = Self {
            bytes,
            startup_locality: 0,
            events: Vec::new(),
        };
        let mut locality_given = false;
        while !records.rest.is_empty() {
            records.at = records.at.saturating_add(1);
            if records.at > MOST_EVENTS {
                return Err(records.malformed("more events", format_args!("at most {MOST_EVENTS}")));
            }
            let record = records.record(&banks)?;
            if record.kind != EventKind::NO_ACTION {
                log.events.push(records.measured(record)?);
                continue;
            }
            if let Some(locality) = records.locality(&record)? {
                let too_late = log.events.iter().any(|event| event.pcr == 0);
                if locality_given || too_late {
                    return Err(records.malformed(
                        "a startup locality",
                        format_args!("one at most, before PCR 0 is extended"),
                    ));
                }
                locality_given = true;
                log.startup_locality = locality;
            }
        }
        Ok(log)
    }

    /// SHA-256 of the whole log.
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(self.bytes)
    }
}

/// A record as it stands, whatever its type.
struct Record<'a> {
    pcr: u32,
    kind: EventKind,
    sha256: Sha256,
    data: &'a [u8],
}

/// One bank: the algorithm and the length of its digests.
struct Bank {
    algorithm: u16,
    bytes: usize,
}

struct Records<'a> {
    rest: &'a [u8],
    /// Which record is being read; 0 is the header.
    at: usize,
}

impl<'a> Records<'a> {
    fn malformed(&self, found: impl std::fmt::Display, wanted: std::fmt::Arguments<'_>) -> Refusal {
        malformed(self.at, format_args!("{found}"), wanted)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Refusal> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| {
            self.malformed(
                format_args!("{} bytes left", self.rest.len()),
                format_args!("{count} more bytes"),
            )
        })?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| {
            self.malformed(
                format_args!("{} bytes left", self.rest.len()),
                format_args!("{N} more bytes"),
            )
        })?;
        self.rest = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, Refusal> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, Refusal> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Refusal> {
        self.array().map(u32::from_le_bytes)
    }

    /// Four bytes of length, then that many bytes of data.
    fn data(&mut self) -> Result<&'a [u8], Refusal> {
        let length = self.u32()?;
        match usize::try_from(length) {
            Ok(length) if length <= MOST_EVENT_BYTES => self.take(length),
            _ => Err(self.malformed(
                format_args!("an event of {length} bytes"),
                format_args!("at most {MOST_EVENT_BYTES} bytes"),
            )),
        }
    }

    /// The first record, in the old form, which says what follows: `TCG_EfiSpecIDEvent`.
    fn spec_id(&mut self) -> Result<Vec<Bank>, Refusal> {
        let (pcr, kind) = (self.u32()?, self.u32()?);
        self.take(20)?;
        let data = self.data()?;
        let mut header = Records { rest: data, at: 0 };
        if (pcr, kind) != (0, EventKind::NO_ACTION.number())
            || header.take(SPEC_ID.len()).ok() != Some(SPEC_ID)
        {
            return Err(self.malformed(
                format_args!("a first event of type {kind:#010x} in PCR {pcr}"),
                format_args!("the header of a crypto-agile log, Spec ID Event03"),
            ));
        }
        // platformClass, specVersionMinor, specVersionMajor, specErrata, uintnSize: they change
        // nothing in the form of what follows.
        header.take(8)?;
        let count = header.u32()?;
        if !(1..=MOST_BANKS).contains(&count) {
            return Err(header.malformed(format_args!("{count} banks"), format_args!("1 to 16")));
        }
        let mut banks: Vec<Bank> = Vec::new();
        for _ in 0..count {
            let (algorithm, bytes) = (header.u16()?, header.u16()?);
            let repeated = banks.iter().any(|bank| bank.algorithm == algorithm);
            let wrong_length = algorithm == SHA256 && bytes != 32;
            if repeated || wrong_length || bytes == 0 || bytes > MOST_DIGEST_BYTES {
                return Err(header.malformed(
                    format_args!("bank {algorithm:#06x} with {bytes} bytes"),
                    format_args!("each bank once, with the length of its digest"),
                ));
            }
            banks.push(Bank {
                algorithm,
                bytes: usize::from(bytes),
            });
        }
        let vendor = usize::from(header.u8()?);
        header.take(vendor)?;
        if !header.rest.is_empty() {
            return Err(header.malformed(
                format_args!("{} bytes left over", header.rest.len()),
                format_args!("the end of the header"),
            ));
        }
        if !banks.iter().any(|bank| bank.algorithm == SHA256) {
            return Err(header.malformed("no SHA-256 bank", format_args!("one")));
        }
        Ok(banks)
    }

    /// A record in the crypto-agile form: `TCG_PCR_EVENT2`.
    fn record(&mut self, banks: &[Bank]) -> Result<Record<'a>, Refusal> {
        let pcr = self.u32()?;
        let kind = EventKind(self.u32()?);
        let count = self.u32()?;
        if usize::try_from(count) != Ok(banks.len()) {
            return Err(self.malformed(
                format_args!("{count} digests"),
                format_args!("one for each of {} banks", banks.len()),
            ));
        }
        let mut sha256 = None;
        for _ in 0..count {
            let algorithm = self.u16()?;
            let bank = banks.iter().find(|bank| bank.algorithm == algorithm);
            let bank = bank.ok_or_else(|| {
                self.malformed(
                    format_args!("a digest of algorithm {algorithm:#06x}"),
                    format_args!("one that the header names"),
                )
            })?;
            let digest = self.take(bank.bytes)?;
            if algorithm == SHA256 && sha256.is_none() {
                sha256 = Sha256::try_from(digest).ok();
            } else if algorithm == SHA256 {
                return Err(self.malformed("two SHA-256 digests", format_args!("one")));
            }
        }
        let sha256 =
            sha256.ok_or_else(|| self.malformed("no SHA-256 digest", format_args!("one")))?;
        let data = self.data()?;
        Ok(Record {
            pcr,
            kind,
            sha256,
            data,
        })
    }

    /// An event that was extended.
    fn measured(&self, record: Record<'a>) -> Result<Event<'a>, Refusal> {
        let pcr = u8::try_from(record.pcr)
            .ok()
            .filter(|pcr| usize::from(*pcr) < limits::PCRS)
            .ok_or_else(|| {
                self.malformed(format_args!("PCR {}", record.pcr), format_args!("0 to 23"))
            })?;
        Ok(Event {
            pcr,
            kind: record.kind,
            sha256: record.sha256,
            data: record.data,
        })
    }

    /// The locality, if `record` (of type `EV_NO_ACTION`) is a startup locality event.
    fn locality(&self, record: &Record<'_>) -> Result<Option<u8>, Refusal> {
        let Some(rest) = record.data.strip_prefix(STARTUP_LOCALITY) else {
            return Ok(None);
        };
        match rest {
            [locality] if record.pcr == 0 && LOCALITIES.contains(locality) => Ok(Some(*locality)),
            _ => Err(self.malformed(
                format_args!(
                    "a startup locality of {} bytes in PCR {}",
                    rest.len(),
                    record.pcr
                ),
                format_args!("0, 3 or 4 in one byte, in PCR 0"),
            )),
        }
    }
}

fn malformed(
    at: usize,
    found: std::fmt::Arguments<'_>,
    wanted: std::fmt::Arguments<'_>,
) -> Refusal {
    Refusal::new(
        Code::LogMalformed,
        format_args!("event {at}: {found}"),
        wanted,
    )
}
