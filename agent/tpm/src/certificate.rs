//! Finds DER certificates in what a maker wrote into NV memory.
//!
//! Areas are padded, some hold the wrapper of the TPM 1.2 era, and chains are concatenated, even
//! across areas. The certificates themselves are for the server to judge: nothing here looks
//! inside them.

/// Tag and kind of `TCG_PCCLIENT_STORED_CERT` holding a full certificate (TCG PC Client Specific
/// Implementation Specification 1.21, 7.3.2). A 16-bit size follows.
const STORED_CERT: [u8; 3] = [0x10, 0x01, 0x00];

/// Tag of the `TCG_FULL_CERT` that some makers put inside it (the same, 7.3.2).
const FULL_CERT: [u8; 2] = [0x10, 0x02];

/// The certificate in an area, without wrapper and padding; `None` if there is none.
pub(crate) fn find_certificate(area: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = split_first_sequence(unwrapped(area))?;
    Some(certificate)
}

/// The certificates in areas that follow each other, in order.
///
/// Each area may hold several, and one that does not end within its area goes on in the next.
pub(crate) fn find_certificates(areas: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut unfinished = Vec::new();
    for area in areas {
        let mut joined = std::mem::take(&mut unfinished);
        let fresh = if joined.is_empty() {
            unwrapped(area)
        } else {
            area
        };
        joined.extend_from_slice(fresh);
        let mut rest = joined.as_slice();
        while let Some((certificate, after)) = split_first_sequence(rest) {
            found.push(certificate.to_vec());
            rest = after;
        }
        if sequence_size(rest).is_some() {
            unfinished = rest.to_vec();
        }
    }
    found
}

fn unwrapped(area: &[u8]) -> &[u8] {
    let Some(wrapped) = area.strip_prefix(&STORED_CERT) else {
        return area;
    };
    let Some((size, rest)) = wrapped.split_first_chunk::<2>() else {
        return &[];
    };
    let inner = rest
        .get(..u16::from_be_bytes(*size).into())
        .unwrap_or_default();
    inner.strip_prefix(&FULL_CERT).unwrap_or(inner)
}

/// The `SEQUENCE` at the start of `bytes`, if it is all there, and what follows it.
fn split_first_sequence(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(sequence_size(bytes)?)
}

/// The size that a `SEQUENCE` at the start of `bytes` announces, with its header (X.690, 8.1.3).
/// Certificates are never shorter than 128 or longer than 65535 octets, so only lengths of one
/// and two octets are known here.
fn sequence_size(bytes: &[u8]) -> Option<usize> {
    let (header, length) = match bytes {
        [0x30, 0x81, length, ..] => (3_usize, usize::from(*length)),
        [0x30, 0x82, high, low, ..] => (4, usize::from(u16::from_be_bytes([*high, *low]))),
        _ => return None,
    };
    header.checked_add(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Something of the form of a certificate, `length` octets inside.
    fn certificate(length: u16, fill: u8) -> Vec<u8> {
        let mut der = vec![0x30, 0x82];
        der.extend(length.to_be_bytes());
        der.extend(vec![fill; length.into()]);
        der
    }

    fn stored(certificate: &[u8]) -> Vec<u8> {
        let mut area = STORED_CERT.to_vec();
        area.extend(u16::try_from(certificate.len()).unwrap().to_be_bytes());
        area.extend(certificate);
        area
    }

    #[test]
    fn a_certificate_is_found_with_and_without_padding_and_wrapper() {
        let plain = certificate(300, 7);
        for padding in [
            vec![],
            vec![0; 40],
            vec![0xff; 40],
            b"\x01\x02\x03".to_vec(),
        ] {
            assert_eq!(
                find_certificate(&[plain.clone(), padding.clone()].concat()),
                Some(&*plain)
            );
            assert_eq!(
                find_certificate(&[stored(&plain), padding.clone()].concat()),
                Some(&*plain)
            );
            let full = [FULL_CERT.as_slice(), &plain].concat();
            assert_eq!(
                find_certificate(&[stored(&full), padding].concat()),
                Some(&*plain)
            );
        }
        let short = [vec![0x30, 0x81, 200], vec![1; 200]].concat();
        assert_eq!(find_certificate(&short), Some(&*short));
    }

    #[test]
    fn an_area_without_a_whole_certificate_holds_none() {
        let plain = certificate(300, 7);
        let mut lying = stored(&plain);
        lying[4] = lying[4].wrapping_add(1); // one octet more than there is
        let cases: [&[u8]; 8] = [
            &[],
            &[0; 64],
            &[0xff; 64],
            &plain[..303],
            &stored(&plain)[..100],
            &lying,
            &[0x30, 0x80, 0, 0],
            &[0x10, 0x01, 0x00],
        ];
        for (number, case) in cases.into_iter().enumerate() {
            assert_eq!(find_certificate(case), None, "case {number}");
        }
    }

    #[test]
    fn a_chain_is_found_however_it_is_laid_out() {
        let chain = [
            certificate(200, 1),
            certificate(400, 2),
            certificate(300, 3),
        ];
        let whole = chain.concat();
        let padded = |bytes: &[u8]| [bytes, &[0; 9]].concat();
        let layouts = [
            vec![whole.clone()],
            chain.to_vec(),
            chain.iter().map(|one| padded(one)).collect(),
            chain.iter().map(|one| stored(one)).collect(),
            whole.chunks(256).map(<[u8]>::to_vec).collect(),
            vec![
                padded(&[chain[0].clone(), chain[1].clone()].concat()),
                padded(&chain[2]),
            ],
        ];
        for (number, areas) in layouts.iter().enumerate() {
            assert_eq!(find_certificates(areas), chain, "layout {number}");
        }
    }

    #[test]
    fn no_area_and_empty_areas_hold_no_chain() {
        assert!(find_certificates(&[]).is_empty());
        assert!(find_certificates(&[vec![], vec![0; 30], vec![0xff; 30]]).is_empty());
    }

    /// Where the headers of certificates of 204, 404 and 304 octets would be cut. A piece of a
    /// header cannot announce a size; makers do not cut there.
    const HEADERS: [std::ops::Range<usize>; 3] = [1..4, 205..208, 609..612];

    proptest! {
        #[test]
        fn no_bytes_make_the_search_panic(areas: Vec<Vec<u8>>) {
            let total: usize = areas.iter().map(Vec::len).sum();
            let found: usize = find_certificates(&areas).iter().map(Vec::len).sum();
            prop_assert!(found <= total);
            for area in &areas {
                prop_assert!(find_certificate(area).is_none_or(|found| found.len() <= area.len()));
            }
        }

        #[test]
        fn a_chain_cut_anywhere_is_put_together_again(cuts in proptest::collection::btree_set(0_usize..912, 0..5)) {
            let chain = [certificate(200, 0x30), certificate(400, 0x82), certificate(300, 0)];
            let mut rest = chain.concat();
            let mut areas = Vec::new();
            // From behind, so that the places keep their meaning.
            for cut in cuts.into_iter().rev().filter(|cut| !HEADERS.iter().any(|h| h.contains(cut))) {
                areas.push(rest.split_off(cut));
            }
            areas.push(rest);
            areas.reverse();
            prop_assert_eq!(find_certificates(&areas), chain);
        }
    }
}
