//! DEFLATE in the ZLIB format (RFC 1950), with a bound on what comes out.

use std::io::Write as _;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Decompress, FlushDecompress, Status};

use super::entries::Malformed;

/// Packs `bytes` as tightly as it can.
pub(super) fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    // Writing into memory does not fail.
    drop(encoder.write_all(bytes));
    encoder.finish().unwrap_or_default()
}

/// Unpacks all of `packed`, which must end where its stream ends and make at most `most` bytes.
pub(super) fn unpack(packed: &[u8], most: usize) -> Result<Vec<u8>, Malformed> {
    // One byte more than may come out tells too long from just long enough.
    let mut bytes = Vec::with_capacity(most.saturating_add(1));
    let mut stream = Decompress::new(true);
    let status = stream
        .decompress_vec(packed, &mut bytes, FlushDecompress::Finish)
        .map_err(|_| Malformed::Zlib)?;
    if bytes.len() > most {
        return Err(Malformed::TooLong { most });
    }
    let read = usize::try_from(stream.total_in()).ok();
    if status != Status::StreamEnd || read != Some(packed.len()) {
        return Err(Malformed::Zlib);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_unpacked() {
        for bytes in [vec![], vec![0; 100_000], (0..=255).collect::<Vec<u8>>()] {
            assert_eq!(unpack(&pack(&bytes), bytes.len()), Ok(bytes));
        }
    }

    #[test]
    fn a_bomb_is_put_out_before_it_fills_memory() {
        let bomb = pack(&vec![0; 8 * 1024 * 1024]);
        assert!(bomb.len() < 16 * 1024);
        assert_eq!(unpack(&bomb, 1024), Err(Malformed::TooLong { most: 1024 }));
    }

    #[test]
    fn a_stream_that_is_cut_off_spoilt_or_followed_by_something_is_refused() {
        let packed = pack(b"some entries");
        for end in 0..packed.len() {
            assert_eq!(unpack(&packed[..end], 100), Err(Malformed::Zlib), "{end}");
        }
        let mut longer = packed.clone();
        longer.push(0);
        assert_eq!(unpack(&longer, 100), Err(Malformed::Zlib));
        let mut spoilt = packed;
        *spoilt.last_mut().unwrap() ^= 1;
        assert_eq!(unpack(&spoilt, 100), Err(Malformed::Zlib));
    }
}
