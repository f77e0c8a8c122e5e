"""docs/format.md §7 to §9: what frames, checkpoints and index files carry."""

from format.primitives import Reader


def frame(payload):
    """The time of a frame and its records: pairs of a name and what the body says."""
    reader = Reader(payload)
    assert reader.u8() == 1, "version of the frame"
    at, records = reader.u64(), []
    while not reader.is_empty():
        name, read = KINDS[reader.u8()]
        body = Reader(reader.take(reader.u32()))
        records.append((name, read(body, at)))
        assert body.is_empty(), f"{name} has bytes to spare"
    return at, records


def _leased(body, at):
    queue, deadline = body.u32(), body.u64()
    return {"queue": queue, "time": deadline, "runs": body.list(lambda: body.run(at))}


def _discarded(body, at):
    return {"queue": body.u32(), "runs": body.list(lambda: body.run(at))}


def _ranges(body, _):
    return {"queue": body.u32(), "messages": body.ranges()}


def _timed(body, _):
    return {"queue": body.u32(), "time": body.u64(), "messages": body.ranges()}


def _pushed(body, at):
    queue, first, base, count, flags = body.u32(), body.u64(), body.id(), body.u16(), body.u8()
    extension_bytes = body.u16()
    assert flags in (0, 1), "unknown flags"
    words = [body.u32() for _ in range(count)]
    delays = [body.u32() for _ in range(count)] if flags & 1 else [0] * count
    idempotency = _idempotency(Reader(body.take(extension_bytes)))
    ids = [f"{(int(base, 16) + index) % (1 << 128):032x}" for index in range(count)]
    messages = _messages(body, words, ids, [at] * count)
    return {"queue": queue, "first": first, "messages": messages, "delays": delays, "idempotency": idempotency}


def _idempotency(extensions):
    """The key and the content of a request that is carried out at most once; none for others."""
    found = None
    while not extensions.is_empty():
        kind, value = extensions.u8(), extensions.take(extensions.u8())
        if kind == 1:
            found = value[:16].hex(), value[16:].hex()
    return found


def _moved(body, _):
    queue, first, origin, count, extension_bytes = body.u32(), body.u64(), body.u32(), body.u16(), body.u16()
    entries = [(body.u32(), body.id(), body.u64(), body.u64()) for _ in range(count)]
    body.take(extension_bytes)
    words, ids, sent, _arrived = zip(*entries)
    return {"queue": queue, "first": first, "from": origin, "messages": _messages(body, words, ids, sent)}


def _relocated(body, _):
    queue, first, end, count, lists = body.u32(), body.u64(), body.u64(), body.u16(), body.u16()
    entries = []
    for _ in range(count):
        sequence, word, id, times = body.u64(), body.u32(), body.id(), [body.u64() for _ in range(3)]
        entries.append((sequence, word, id, times, body.u32(), body.u16()))
    extensions = [None] + [_idempotency(Reader(body.take(body.u16()))) for _ in range(lists)]
    sequences, words, ids, times, origins, named = zip(*entries)
    assert list(sequences) == sorted(set(sequences)), "sequences that do not rise"
    assert first <= sequences[0] and sequences[-1] < end, "messages outside of their stretch"
    messages = _messages(body, words, ids, [sent for sent, _, _ in times])
    return {
        "queue": queue,
        "first": first,
        "end": end,
        "sequences": list(sequences),
        "origins": list(origins),
        "idempotency": [extensions[number] for number in named],
        "messages": messages,
    }


def _messages(body, words, ids, sent):
    """(id, content type, time of publishing, body) of each; the bodies stand at the end of the record."""
    rows = zip(words, ids, sent)
    messages = [(id, word >> 24, time, body.take(word & 0xFFFFFF)) for word, id, time in rows]
    assert body.is_empty(), "bodies do not end with the record"
    return messages


def queue(reader, _=0):
    return {
        "number": reader.u32(),
        "id": reader.id(),
        "account": reader.id(),
        "name": reader.text(),
        "created_on": reader.u64(),
        "modified_on": reader.u64(),
        "jurisdiction": reader.text(),
        "delivery_delay": reader.u32(),
        "delivery_paused": reader.bool(),
        "retention_seconds": reader.u32(),
        "purged_at": reader.optional(reader.u64),
        "consumer": reader.optional(lambda: _consumer(reader)),
    }


def _consumer(reader):
    consumer = {"id": reader.id(), "created_on": reader.u64(), "type": reader.u8()}
    if consumer["type"] == 0:
        consumer["settings"] = [reader.u16(), reader.u16(), reader.u32(), reader.u64()]
    else:
        assert consumer["type"] == 1, "unknown type of consumer"
        consumer["script"] = [reader.text(), reader.text()]
        consumer["settings"] = [reader.u16(), reader.optional(reader.u16), reader.u16(), reader.u64(), reader.u32()]
    consumer["dead_letter_queue"] = reader.optional(lambda: (reader.id(), reader.text()))
    return consumer


def account(reader, _=0):
    return {"id": reader.id(), "name": reader.text(), "created_on": reader.u64()}


def token(reader, _=0):
    read = {"id": reader.id(), "account": reader.id(), "name": reader.text(), "hash": reader.take(32)}
    read["email"], read["scopes"] = reader.optional(reader.text), reader.u8()
    pattern = reader.u8()
    assert pattern in (0, 1, 2), "unknown pattern of queues"
    read["queues"] = [lambda: None, reader.id, reader.text][pattern]()
    read["created_on"], read["expires_on"] = reader.u64(), reader.optional(reader.u64)
    return read


def subscription(reader):
    read = {"id": reader.id(), "account": reader.id(), "name": reader.text(), "enabled": reader.bool()}
    read["source"] = reader.text(), reader.list(lambda: (reader.text(), reader.text()))
    read["events"], read["destination"] = reader.list(reader.text), reader.id()
    read["created_on"], read["modified_on"] = reader.u64(), reader.u64()
    return read


def _aged(body, _):
    read = {"queue": body.u32(), "before": body.u64(), "in_line": body.u64(), "bytes": body.u64()}
    return read | {"oldest": body.u64()}


KINDS = {
    1: ("Pushed", _pushed),
    2: ("Moved", _moved),
    3: ("Leased", _leased),
    4: ("Acked", _ranges),
    5: ("Returned", _timed),
    6: ("Exhausted", _timed),
    7: ("Buried", _ranges),
    8: ("Discarded", _discarded),
    9: ("Extended", _timed),
    10: ("Purged", lambda body, _: {"queue": body.u32(), "before": body.u64()}),
    11: ("QueuePut", queue),
    12: ("QueueDeleted", lambda body, _: {"queue": body.u32()}),
    13: ("AccountPut", account),
    14: ("TokenPut", token),
    15: ("TokenRevoked", lambda body, _: {"account": body.id(), "token": body.id()}),
    16: ("SubscriptionPut", lambda body, _: subscription(body)),
    17: ("SubscriptionDeleted", lambda body, _: {"account": body.id(), "subscription": body.id()}),
    18: ("Aged", _aged),
    19: ("Relocated", _relocated),
}


def checkpoint(payload):
    """The whole state."""
    reader = Reader(payload)
    assert reader.u8() == 4, "version of the checkpoint"
    state = {"applied": reader.u64(), "latest": reader.u64(), "next_queue": reader.u32()}
    state["accounts"] = reader.list(lambda: account(reader))
    state["tokens"] = reader.list(lambda: token(reader))
    state["subscriptions"] = reader.list(lambda: subscription(reader))
    state["queues"] = reader.list(lambda: _queue_state(reader))
    state["indexes"] = reader.list(lambda: (reader.u64(), index(reader)))
    assert reader.is_empty(), "a checkpoint with bytes to spare"
    return state


def _queue_state(reader):
    state = queue(reader)
    for name in ("covered", "next", "cursor", "in_line", "backlog_count", "backlog_bytes", "floor"):
        state[name] = reader.u64()
    state["gone"] = reader.list(lambda: (reader.u64(), reader.u64()))
    state["runs"] = reader.list(lambda: _kept_run(reader))
    state["delays"] = reader.list(lambda: _delayed(reader))
    state["extents"] = reader.list(lambda: _extent(reader))
    state["guessed"] = reader.bool()
    state["departures"] = reader.list(lambda: (reader.u64(), reader.u64(), reader.u8()))
    state["oldest"] = reader.u64()
    state["keys"] = reader.list(lambda: (reader.u64(), reader.take(16).hex(), reader.take(16).hex()))
    return state


def _kept_run(reader):
    first, mask = reader.u64(), int.from_bytes(reader.take(16), "little")
    run = {"sequences": [first + bit for bit in range(128) if mask >> bit & 1]}
    run["phase"], run["due"], run["lease"], run["attempts"] = reader.u8(), reader.u64(), reader.u64(), reader.u16()
    run["details"] = reader.details(0)
    return run


def _extent(reader):
    row = {name: reader.u64() for name in ("first", "segment", "live", "bytes")}
    if reader.bool():
        row |= {name: reader.u64() for name in ("in_line", "in_line_bytes", "oldest", "newest")}
    return row


def _delayed(reader):
    row = {"available_at": reader.u64(), "first": reader.u64(), "count": reader.u32()}
    row["content_type"], row["length"], row["sent_at"] = reader.u8(), reader.u32(), reader.u64()
    return row


def index(reader):
    """For each queue, first sequences and offsets of its frames."""

    def entries():
        first = offset = 0
        found = []
        for _ in range(reader.varint()):
            first, offset = first + reader.varint(), (offset + reader.varint()) % (1 << 32)
            found.append((first, offset))
        return found

    return dict(reader.list(lambda: (reader.u32(), entries())))
