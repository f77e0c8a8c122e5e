"""docs/format-journal.md §2 to §7: the files of the log, with every checksum."""

import struct

from format.primitives import checksum

HEADER_BYTES = 4096
FRAME_HEADER_BYTES = 40
START, DATA, MARK, SEAL = 1, 2, 3, 4


def store(folder):
    """The store's id and its segment size."""
    content = (folder / "STORE").read_bytes()
    assert (len(content), content[:8]) == (64, b"KEWSTORE")
    major, _minor, segment_bytes = struct.unpack_from("<HHI", content, 8)
    assert major == 1
    assert checksum(content[:60]) == struct.unpack_from("<I", content, 60)[0], "checksum of STORE"
    return content[16:32], segment_bytes


def segments(folder):
    """The numbers of the segments that are or were part of the log."""
    return sorted(int(path.stem, 16) for path in (folder / "log").glob("*.seg"))


def frames(folder, segment):
    """(offset, kind, lsn, durable lsn, payload) of each intact frame from the segment's beginning on."""
    store_id, segment_bytes = store(folder)
    content = (folder / "log" / f"{segment:016x}.seg").read_bytes()
    assert content[:8] == b"KEWSEGMT" and content[16:32] == store_id
    assert struct.unpack_from("<I", content, 12)[0] == segment_bytes
    assert struct.unpack_from("<Q", content, 32)[0] == segment
    assert checksum(content[:4092]) == struct.unpack_from("<I", content, 4092)[0], "checksum of the segment's header"
    found, offset = [], HEADER_BYTES
    while offset + FRAME_HEADER_BYTES <= len(content):
        frame = _frame(content, offset, store_id + struct.pack("<QQ", segment, offset))
        if frame is None:
            break
        found.append((offset, *frame))
        offset += (FRAME_HEADER_BYTES + len(frame[3]) + 7) // 8 * 8
    return found


def _frame(content, offset, place):
    seed = checksum(place)
    header = content[offset : offset + FRAME_HEADER_BYTES]
    whole, length, kind, flags, version, of_header = struct.unpack_from("<IIBBHI", header)
    if checksum(header[4:12] + header[16:], seed) != of_header:
        return None
    payload = content[offset + FRAME_HEADER_BYTES : offset + FRAME_HEADER_BYTES + length]
    if checksum(header[4:] + payload, seed) != whole:
        return None
    assert (flags, version) == (0, 1)
    lsn, durable = struct.unpack_from("<QQ", header, 24)
    return kind, lsn, durable, payload


def checkpoint(folder):
    """The newest checkpoint: what it covers, its entries and its payload."""
    path = max((folder / "checkpoint").glob("*.ckpt"))
    content = path.read_bytes()
    assert content[:8] == b"KEWCHECK" and content[16:32] == store(folder)[0]
    assert checksum(content[:60] + content[64:]) == struct.unpack_from("<I", content, 60)[0], "checksum of the checkpoint"
    number, covered = struct.unpack_from("<QQ", content, 32)
    assert number == int(path.stem, 16)
    count, payload_bytes = struct.unpack_from("<QQ", content, 72)
    entries = [struct.unpack_from("<QQQQ", content, 96 + 32 * index) for index in range(count)]
    payload = content[96 + 32 * count :]
    assert len(payload) == payload_bytes
    return covered, entries, payload
