#!/usr/bin/env python3
"""Reads the log of a pets store: one JSON line per record, up to the durable end.

    read_log.py FOLDER            print every record
    read_log.py --verify FOLDER   check every byte that counts, print totals

It needs Python 3.8 and nothing else, changes nothing, and may run beside a
writer. The format is described in docs/reliability.md. Exit status: 0 sound,
1 damaged (the file and the byte are named), 2 usage.
"""
import base64, datetime, json, os, re, struct, sys, uuid

TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


class Damage(Exception):
    pass


def check(ok, path, offset, reason):
    if not ok:
        raise Damage(f"{path} is damaged at byte {offset}: {reason}")


def read_mark(folder):
    """Returns the store's uuid and the durable end: the higher of two slots."""
    path, slots = os.path.join(folder, "durable"), []
    with open(path, "rb") as f:
        content = f.read(1024)
    for at in (0, 512):
        slot = content[at:at + 48]
        if len(slot) == 48 and slot[:8] == b"PETSMRK\n" and crc32c(slot[:44]) == struct.unpack_from("<I", slot, 44)[0]:
            check(struct.unpack_from("<I", slot, 8)[0] == 1, path, at, "a newer format")
            slots.append((struct.unpack_from("<Q", slot, 32)[0], slot[16:32]))
    check(slots, path, 0, "no slot of the mark is whole")
    end, store = max(slots)
    return store, end


def frames(folder):
    """Yields (path, offset, header fields, frame) of every durable frame."""
    unfinished = os.path.join(folder, "salvage.unfinished")
    check(not os.path.lexists(unfinished), unfinished, 0, "the folder is an unfinished salvage, and not all there is")
    store, end = read_mark(folder)  # first: what it says is there stays there
    names = sorted(n for n in os.listdir(folder) if re.fullmatch(r"\d{20}\.seg", n))
    bases = [int(n[:20]) for n in names]
    position = 0
    for name, base, after in zip(names, bases, bases[1:] + [None]):
        if base >= end:
            break  # begun, and still empty
        path = os.path.join(folder, name)
        check(base == position, path, 0, f"the segment before it ends at {position}")
        with open(path, "rb") as f:
            head = f.read(64)
            check(len(head) == 64 and head[:8] == b"PETSSEG\n" and crc32c(head[:60]) == struct.unpack_from("<I", head, 60)[0], path, 0, "no segment header")
            version, _, owner, at = struct.unpack_from("<II16sQ", head, 8)
            check(version == 1 and owner == store and at == base, path, 0, "another format, store or place")
            position, limit = base + 64, end if after is None else min(end, after)
            while position < limit:
                offset, head = position - base, f.read(48)
                check(len(head) == 48 and head[:4] == b"PFRM", path, offset, "no frame begins here")
                check(crc32c(head[:44]) == struct.unpack_from("<I", head, 44)[0], path, offset, "checksum of a frame header")
                length, at, _, first, records, name_len, _, body_sum = struct.unpack_from("<IQQQIHHI", head, 4)
                check(at == position and length % 8 == 0 and position + length <= limit, path, offset, "the frame contradicts itself")
                body = f.read(length - 48)
                check(len(body) == length - 48 and crc32c(body) == body_sum, path, offset, "checksum of a frame")
                yield path, offset, (first, records, name_len), body
                position += length
            check(after is None or after > end or not f.read().strip(b"\0"), path, position - base, "bytes behind the last frame")
    check(position >= end, folder, position, f"the log ends before the durable mark at {end}")


def records(folder):
    """Yields every durable record as a dictionary."""
    following = {}
    for path, offset, (revision, count, name_len), body in frames(folder):
        stream, at = body[:name_len], name_len
        check(revision == following.get(stream, 0), path, offset, f"revision {revision} does not follow")
        for _ in range(count):
            check(at + 36 <= len(body), path, offset, "a record is cut short")
            ident, nanos, *sizes = struct.unpack_from("<16sQIII", body, at)
            check(at + 36 + sum(sizes) <= len(body), path, offset, "a record is cut short")
            fields, at = [], at + 36
            for size in sizes:
                fields.append(body[at:at + size])
                at += size
            second = datetime.datetime.fromtimestamp(nanos // 10**9, datetime.timezone.utc)
            yield {"stream": text(stream), "revision": revision, "id": str(uuid.UUID(bytes=ident)), "type": text(fields[0]),
                   "time": f"{second:%Y-%m-%dT%H:%M:%S}.{nanos % 10**9:09d}Z", "metadata": text(fields[1]), "data": text(fields[2])}
            revision += 1
        check(len(body) - at < 8 and not body[at:].strip(b"\0"), path, offset, "bytes behind the last record")
        following[stream] = revision


def text(raw):
    """Bytes that are no UTF-8 become {"base64": …}."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode("ascii")}


def main(args):
    verify, folders = "--verify" in args, [a for a in args if a != "--verify"]
    if len(folders) != 1 or folders[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    count, streams = 0, set()
    try:
        for record in records(folders[0]):
            count += 1
            streams.add(json.dumps(record["stream"]))
            if not verify:
                print(json.dumps(record, ensure_ascii=True))
    except (Damage, OSError) as e:
        print(e, file=sys.stderr)
        return 1
    if verify:
        print(f"sound: {count} records in {len(streams)} streams, durable up to {read_mark(folders[0])[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
