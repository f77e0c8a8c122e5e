"""docs/format.md §4 and §6: numbers, texts, sets of messages. Written from the page, not from the program."""


class Reader:
    """Takes values from the front of some bytes; bytes that end too soon are an error."""

    def __init__(self, content):
        self.content, self.at = content, 0

    def take(self, count):
        assert self.at + count <= len(self.content), "the bytes end too soon"
        self.at += count
        return self.content[self.at - count : self.at]

    def rest(self):
        return self.take(len(self.content) - self.at)

    def is_empty(self):
        return self.at == len(self.content)

    def number(self, count):
        return int.from_bytes(self.take(count), "little")

    def u8(self):
        return self.number(1)

    def u16(self):
        return self.number(2)

    def u32(self):
        return self.number(4)

    def u64(self):
        return self.number(8)

    def varint(self):
        value = 0
        for shift in range(0, 70, 7):
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                assert value < 1 << 64, "a number of more than 64 bits"
                return value
        raise AssertionError("a number without an end")

    def id(self):
        return self.take(16).hex()

    def text(self):
        return self.take(self.u16()).decode()

    def bool(self):
        value = self.u8()
        assert value in (0, 1), f"{value} is no bool"
        return value == 1

    def optional(self, read):
        return read() if self.bool() else None

    def list(self, read):
        return [read() for _ in range(self.varint())]

    def ranges(self):
        """Pairs of a first sequence and one behind the last."""
        pairs, end = [], 0
        for _ in range(self.varint()):
            first = end + self.varint()
            end = first + self.varint()
            assert end > first > 0, "an empty range"
            pairs.append((first, end))
        return pairs

    def details(self, reference):
        def span():
            since, content_type, length = self.u8(), self.u8(), self.varint()
            return since, content_type, length, (reference - self.varint()) % (1 << 64)

        return self.list(span)

    def run(self, reference):
        """A run of messages: its origin, sequences, attempts and details."""
        origin, first, count = self.u8(), self.varint(), self.u8()
        mask = (1 << count) - 1 if count else int.from_bytes(self.take(16), "little")
        sequences = [first + bit for bit in range(128) if mask >> bit & 1]
        attempts = self.varint()
        details = None if origin == 2 else self.details(reference)
        return {"origin": origin, "sequences": sequences, "attempts": attempts, "details": details}


def _table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _table()


def checksum(content, start=0):
    """CRC-32C, going on from `start`."""
    value = start ^ 0xFFFFFFFF
    for byte in content:
        value = _TABLE[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF
