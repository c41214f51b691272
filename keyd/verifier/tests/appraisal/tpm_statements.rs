//! Quotes and time stamps: each field must be what was asked.

use wardkey_schemas::Code;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::{PcrValue, Quote};
use wardkey_verifier::tpm::{ClockInfo, PcrSet, VerifiedQuote, VerifiedTimeStamp};

use crate::forge::tpm::{Attest, QUOTE, SoftTpm, TIME, clock_bytes, quote_body};
use crate::forge::{key, refused};

fn binding() -> Sha256 {
    Sha256::of(b"this request")
}

fn wanted() -> PcrSet {
    PcrSet::new(&[0, 2, 4, 7]).unwrap()
}

fn values() -> Vec<PcrValue> {
    wanted()
        .indices()
        .map(|index| PcrValue {
            index,
            sha256: Sha256::new([index; 32]),
        })
        .collect()
}

fn verify(tpm: &SoftTpm, quote: &Quote) -> Result<ClockInfo, wardkey_schemas::Refusal> {
    VerifiedQuote::verify(quote, &tpm.ak_identity(), &binding(), wanted())
        .map(|verified| verified.clock())
}

#[test]
fn a_quote_of_what_was_asked_is_accepted() {
    let tpm = SoftTpm::new();
    let quote = tpm.quote(&binding(), &values());
    assert_eq!(verify(&tpm, &quote), Ok(tpm.clock));
}

#[test]
fn a_quote_with_one_thing_wrong_is_refused() {
    let tpm = SoftTpm::new();
    let other = SoftTpm::new();
    let good = tpm.attest(QUOTE, binding().as_bytes(), quote_body(&values()));
    let quote = |attest: &Attest| Quote {
        attestation: attest.signed(&tpm.ak),
        pcrs: values(),
    };
    let mut fewer = values();
    fewer.pop();
    let mut more = values();
    more.push(PcrValue {
        index: 8,
        sha256: Sha256::new([8; 32]),
    });
    let mut sha1 = quote_body(&values());
    sha1[5] = 0x04;
    let mut short = good.clone();
    short.body.pop();
    let cases = [
        (
            "signed by another key",
            Quote {
                attestation: good.signed(&key()),
                pcrs: values(),
            },
            Code::QuoteSignature,
        ),
        (
            "not made by a TPM",
            quote(&Attest {
                magic: 1,
                ..good.clone()
            }),
            Code::AttestMagic,
        ),
        (
            "a time stamp",
            Quote {
                attestation: tpm.time(&binding()),
                pcrs: values(),
            },
            Code::AttestType,
        ),
        (
            "naming another signer",
            quote(&Attest {
                signer: other.attest(QUOTE, b"", Vec::new()).signer,
                ..good.clone()
            }),
            Code::AttestSigner,
        ),
        (
            "for another request",
            quote(&Attest {
                extra_data: vec![7; 32],
                ..good.clone()
            }),
            Code::QuoteContext,
        ),
        (
            "for no request",
            quote(&Attest {
                extra_data: Vec::new(),
                ..good.clone()
            }),
            Code::QuoteContext,
        ),
        (
            "over fewer registers",
            tpm.quote(&binding(), &fewer),
            Code::QuotePcrs,
        ),
        (
            "over more registers",
            tpm.quote(&binding(), &more),
            Code::QuotePcrs,
        ),
        (
            "over the SHA-1 bank",
            quote(&Attest {
                body: sha1,
                ..good.clone()
            }),
            Code::QuotePcrs,
        ),
        (
            "with a value missing",
            Quote {
                attestation: good.signed(&tpm.ak),
                pcrs: fewer,
            },
            Code::QuotePcrs,
        ),
        (
            "with values out of order",
            Quote {
                attestation: good.signed(&tpm.ak),
                pcrs: values().into_iter().rev().collect(),
            },
            Code::QuotePcrs,
        ),
        (
            "with another value",
            Quote {
                attestation: good.signed(&tpm.ak),
                pcrs: values()
                    .into_iter()
                    .map(|value| PcrValue {
                        sha256: Sha256::new([9; 32]),
                        ..value
                    })
                    .collect(),
            },
            Code::PcrDigest,
        ),
        ("cut short", quote(&short), Code::TpmStructure),
        (
            "with a byte too many",
            quote(&Attest {
                body: [good.body.clone(), vec![0]].concat(),
                ..good
            }),
            Code::TpmStructure,
        ),
    ];
    for (what, quote, code) in cases {
        assert_eq!(refused(verify(&tpm, &quote)), code, "{what}");
    }
}

#[test]
fn a_time_stamp_of_what_was_asked_is_accepted() {
    let tpm = SoftTpm::new();
    let stamp = tpm.time(&binding());
    let verified = VerifiedTimeStamp::verify(&stamp, &tpm.ak_identity(), &binding()).unwrap();
    assert_eq!(verified.clock(), tpm.clock);
}

#[test]
fn a_time_stamp_with_one_thing_wrong_is_refused() {
    let tpm = SoftTpm::new();
    let other = SoftTpm::new();
    let good = tpm.time_attest(&binding());
    let other_counters = [
        vec![0; 8],
        clock_bytes(&ClockInfo {
            reset_count: 8,
            ..tpm.clock
        }),
        vec![0; 8],
    ]
    .concat();
    let mut unclear = good.clone();
    // The octet *safe* in the body is neither 0 nor 1.
    unclear.body[24] = 2;
    let cases = [
        (
            "signed by another key",
            good.signed(&key()),
            Code::QuoteSignature,
        ),
        (
            "a quote",
            tpm.quote(&binding(), &values()).attestation,
            Code::AttestType,
        ),
        (
            "naming another signer",
            Attest {
                signer: other.attest(TIME, b"", Vec::new()).signer,
                ..good.clone()
            }
            .signed(&tpm.ak),
            Code::AttestSigner,
        ),
        (
            "for another request",
            tpm.time(&Sha256::of(b"another")),
            Code::QuoteContext,
        ),
        (
            "contradicting itself",
            Attest {
                body: other_counters,
                ..good
            }
            .signed(&tpm.ak),
            Code::TpmStructure,
        ),
        ("unclear", unclear.signed(&tpm.ak), Code::TpmStructure),
    ];
    for (what, stamp, code) in cases {
        let result = VerifiedTimeStamp::verify(&stamp, &tpm.ak_identity(), &binding());
        assert_eq!(refused(result), code, "{what}");
    }
}
