use proptest::prelude::*;

use super::*;

const STORE: [u8; 16] = *b"0123456789abcdef";

fn seed() -> Seed {
    Seed::new(&STORE, SegmentId(3))
}

fn header(kind: Kind) -> Header {
    Header { kind, epoch: 5, lsn: Lsn(0x0102), durable_lsn: Lsn(0x0101) }
}

fn composed(kind: Kind, payload: &[u8], offset: u32) -> Bytes {
    FrameBuffer::from(payload).into_frame(seed(), offset, header(kind))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_data_frame_has_these_bytes() {
    let frame = composed(Kind::Data, b"hello", 4096);

    assert_eq!(hex(&frame), GOLDEN_DATA);
}

const GOLDEN_DATA: &str = concat!(
    "e13efe01", // checksum of header and payload
    "05000000", // payload bytes
    "02",       // Data
    "00",       // reserved
    "0100",     // version
    "01a2578e", // checksum of the header
    "05000000", // epoch
    "00000000", // reserved
    "0201000000000000",
    "0101000000000000",
    "68656c6c6f000000",
);

#[test]
fn a_start_frame_has_these_bytes() {
    let previous = Previous { segment: SegmentId(2), end_offset: 65_528, epoch: 4, last_lsn: Lsn(0x0102) };
    let frame = composed(Kind::Start, &previous.encode(), 4096);

    assert_eq!(hex(&frame), GOLDEN_START);
    assert_eq!(frame.len(), frame_bytes(START_PAYLOAD_BYTES) as usize);
}

const GOLDEN_START: &str = concat!(
    "bf196fea1800000001000100",
    "41bd3b9a0500000000000000",
    "02010000000000000101000000000000",
    "0200000000000000", // the segment before
    "f8ff0000",         // its end
    "04000000",         // its epoch
    "0201000000000000", // its last payload
);

#[test]
fn zeros_are_no_frame() {
    assert_eq!(decode(&[0; 4096], seed(), 4096), Decoded::Invalid);
}

#[test]
fn an_intact_frame_of_a_later_version_is_told_from_garbage() {
    let frame = with_byte(10, 2);

    assert_eq!(decode(&frame, seed(), 4096), Decoded::Newer { version: 2 });
}

#[test]
fn what_a_later_build_writes_where_bytes_are_reserved_means_nothing() {
    for at in [9, 20, 23] {
        let frame = with_byte(at, 7);

        assert!(plausible(&frame), "a search must not pass over it");
        let Decoded::Valid { payload, .. } = decode(&frame, seed(), 4096) else { panic!("it is whole") };
        assert_eq!(payload, b"later");
    }
}

/// A whole frame in whose header one byte is another.
fn with_byte(at: usize, byte: u8) -> Vec<u8> {
    let mut frame = composed(Kind::Data, b"later", 4096).to_vec();
    frame[at] = byte;
    let placed = seed().at(4096);
    let fixed = header_checksum(placed, &frame);
    frame[12..16].copy_from_slice(&fixed.to_le_bytes());
    let fixed = crc32c::crc32c_append(placed, &frame[4..45]);
    frame[0..4].copy_from_slice(&fixed.to_le_bytes());
    frame
}

proptest! {
    #[test]
    fn a_payload_comes_back_byte_for_byte(payload in prop::collection::vec(any::<u8>(), 0..2000), slot in 0_u32..1000) {
        let frame = composed(Kind::Data, &payload, slot * 8);

        prop_assert_eq!(frame.len() % 8, 0);
        prop_assert_eq!(
            decode(&frame, seed(), slot * 8),
            Decoded::Valid { header: header(Kind::Data), payload: &payload }
        );
    }

    #[test]
    fn a_frame_is_valid_nowhere_else(payload in prop::collection::vec(any::<u8>(), 0..200), slot in 1_u32..1000) {
        let frame = composed(Kind::Data, &payload, 0);
        let other_store = Seed::new(&[1; 16], SegmentId(3));
        let other_segment = Seed::new(&STORE, SegmentId(4));

        prop_assert_eq!(decode(&frame, seed(), slot * 8), Decoded::Invalid);
        prop_assert_eq!(decode(&frame, other_store, 0), Decoded::Invalid);
        prop_assert_eq!(decode(&frame, other_segment, 0), Decoded::Invalid);
    }

    #[test]
    fn a_flipped_bit_is_seen(payload in prop::collection::vec(any::<u8>(), 0..100), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut frame = composed(Kind::Data, &payload, 4096).to_vec();
        let at = at.index(HEADER + payload.len());
        frame[at] ^= 1 << bit;

        prop_assert_eq!(decode(&frame, seed(), 4096), Decoded::Invalid);
    }

    #[test]
    fn a_frame_cut_short_is_no_frame(payload in prop::collection::vec(any::<u8>(), 1..100), at in any::<prop::sample::Index>()) {
        let frame = composed(Kind::Data, &payload, 4096);
        let cut = at.index(HEADER + payload.len());

        prop_assert_eq!(decode(&frame[..cut], seed(), 4096), Decoded::Invalid);
    }
}
