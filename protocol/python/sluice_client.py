#!/usr/bin/env python3
"""A Sluice client in one file, on Python 3.9+ and its standard library alone.

It is the shortest way to see how the parts of PROTOCOL.md go together, and the proof that they suffice: it was written
from that file and the schemas beside it. It is small before it is fast.

    sluice_client.py topics                                 --broker HOST:PORT
    sluice_client.py create  TOPIC --partitions 3           --broker HOST:PORT
    sluice_client.py produce TOPIC [-k SEPARATOR] [--gzip]  --broker HOST:PORT  < lines
    sluice_client.py consume TOPIC [-o earliest|latest|N] [-g GROUP] [-e]  --broker HOST:PORT
    sluice_client.py create-queue QUEUE [--set NAME=VALUE]…                --broker HOST:PORT
    sluice_client.py send    QUEUE [-k SEPARATOR] [--delay-ms N]           --broker HOST:PORT  < lines
    sluice_client.py receive QUEUE [-n N] [--wait-ms N]                    --broker HOST:PORT

As a module:

    with Client('127.0.0.1', 7400) as client:
        client.create_topic('orders', partitions=3)
        with client.producer('orders') as producer:
            producer.send(key=b'customer-1', value=b'hello')
        for record in client.read('orders'):
            print(record.partition, record.offset, record.value)

        client.create_queue('mail')
        with client.producer('mail') as producer:
            producer.send(b'remind me', delay_ms=3000, dedup_id='reminder-17')
        with client.queue('mail') as queue:
            for lease in queue.receive(max_records=10, wait_ms=5000):
                queue.ack(lease)

The file is laid out from the bottom of the protocol to its top: checksums, varints, Avro bodies, frames, record
batches, connection, client, producer, group consumer, queue, command line.
"""

import argparse
import gzip
import hashlib
import json
import os
import random
import socket
import struct
import sys
import time
import zlib
from collections import namedtuple

HERE = os.path.dirname(os.path.abspath(__file__))
PROTOCOL_FOLDER = os.environ.get('SLUICE_PROTOCOL', os.path.dirname(HERE))


class ProtocolError(Exception):
    """Bytes that are not what the protocol says."""


class CodecUnavailable(Exception):
    """Records packed by a codec that this client does not have."""


class SluiceError(Exception):
    """An error that the broker answered with."""

    def __init__(self, number, message, retry_after_ms=0):
        row = ERRORS.get(number, {'name': 'ERROR_%d' % number, 'retriable': False, 'maybeApplied': True})
        super().__init__('%s: %s' % (row['name'], message))
        self.number = number
        self.name = row['name']
        self.retriable = row['retriable']
        self.maybe_applied = row['maybeApplied']
        self.retry_after_ms = retry_after_ms
        self.resume_offset = -1


def _read_json(*path):
    with open(os.path.join(PROTOCOL_FOLDER, *path), encoding='utf-8') as file:
        return json.load(file)


APIS = {api['name']: api for api in _read_json('apis.json')}
ERRORS = {row['number']: row for row in _read_json('errors.json')}
_schemas = {}


def schema_of(api, version, direction):
    """The Avro schema of a message, such as schema_of('fetch', 1, 'request')."""
    name = '%s.v%d.%s' % (api, version, direction)
    if name not in _schemas:
        _schemas[name] = _read_json('schemas', name + '.avsc')
    return _schemas[name]


# ---- CRC-32C ---------------------------------------------------------------------------------------------------------

def _crc_table():
    table = []
    for n in range(256):
        c = n
        for _ in range(8):
            c = (c >> 1) ^ (0x82F63B78 if c & 1 else 0)
        table.append(c)
    return table


_CRC_TABLE = _crc_table()


def crc32c(data, crc=0):
    """CRC-32C of `data`; `crc` is that of the bytes before, to go on from."""
    crc ^= 0xFFFFFFFF
    table = _CRC_TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def partition_for_key(key, partitions):
    """The partition that a key belongs to, the same in every client."""
    return crc32c(key) % partitions


def lane_of_key(key):
    """What stands for a key in a queue that keeps keys apart, the same in every client."""
    return (crc32c(key) >> 12 << 32) + zlib.crc32(key)


def dedup_key(dedup_id):
    """What stands for a dedup id in the extras of a batch."""
    encoded = dedup_id.encode('utf-8')
    if not 1 <= len(encoded) <= 128:
        raise ValueError('a dedup id has 1 to 128 bytes, not %d' % len(encoded))
    return hashlib.sha256(encoded).digest()[:16]


# ---- varints ---------------------------------------------------------------------------------------------------------

def write_varint(out, value):
    while value >= 0x80:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)


def zigzag(value):
    return value * 2 if value >= 0 else -value * 2 - 1


def unzigzag(value):
    return (value >> 1) ^ -(value & 1)


class Cursor:
    """A place in bytes that moves on as values are read, and never past the end."""

    def __init__(self, data, position=0, end=None):
        self.data = data
        self.position = position
        self.end = len(data) if end is None else end

    def take(self, size):
        if size < 0 or size > self.end - self.position:
            raise ProtocolError('%d bytes are wanted and %d are left' % (size, self.end - self.position))
        start = self.position
        self.position += size
        return bytes(self.data[start:self.position])

    def varint(self):
        value = shift = 0
        for _ in range(8):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise ProtocolError('a varint is longer than 8 bytes')

    def at_end(self):
        return self.position == self.end


# ---- Avro bodies -----------------------------------------------------------------------------------------------------

INT_MIN, INT_MAX = -(2 ** 31), 2 ** 31 - 1
LONG_MIN, LONG_MAX = -(2 ** 52), 2 ** 53 - 2
ITEMS_MAX = 1 << 20


def encode_body(schema, value):
    out = bytearray()
    _encode(schema, value, out)
    return bytes(out)


def _encode(schema, value, out):
    if isinstance(schema, list):
        branch = 0 if value is None else 1
        write_varint(out, zigzag(branch))
        return _encode(schema[branch], value, out)
    kind = schema if isinstance(schema, str) else schema['type']
    if kind == 'null':
        return
    if kind == 'boolean':
        out.append(1 if value else 0)
    elif kind in ('int', 'long'):
        low, high = (INT_MIN, INT_MAX) if kind == 'int' else (LONG_MIN, LONG_MAX)
        if not low <= value <= high:
            raise ValueError('%d is out of the range of %s' % (value, kind))
        write_varint(out, zigzag(value))
    elif kind == 'string':
        data = value.encode('utf-8')
        write_varint(out, zigzag(len(data)))
        out += data
    elif kind == 'enum':
        write_varint(out, zigzag(schema['symbols'].index(value)))
    elif kind == 'record':
        for field in schema['fields']:
            _encode(field['type'], value[field['name']], out)
    else:
        if len(value) > 0:
            write_varint(out, zigzag(len(value)))
        for item in value:
            if kind == 'map':
                _encode('string', item, out)
                _encode(schema['values'], value[item], out)
            else:
                _encode(schema['items'], item, out)
        out.append(0)


def decode_body(schema, data):
    cursor = Cursor(data)
    value = _decode(schema, cursor, [ITEMS_MAX])
    if not cursor.at_end():
        raise ProtocolError('%d bytes are left over behind the body' % (cursor.end - cursor.position))
    return value


def _decode_number(cursor, low, high):
    value = unzigzag(cursor.varint())
    if not low <= value <= high:
        raise ProtocolError('%d is out of range' % value)
    return value


def _choose(options, cursor):
    index = _decode_number(cursor, INT_MIN, INT_MAX)
    if not 0 <= index < len(options):
        raise ProtocolError('%d is none of %d choices' % (index, len(options)))
    return options[index]


def _decode(schema, cursor, items_left):
    if isinstance(schema, list):
        return _decode(_choose(schema, cursor), cursor, items_left)
    kind = schema if isinstance(schema, str) else schema['type']
    if kind == 'null':
        return None
    if kind == 'boolean':
        byte = cursor.take(1)[0]
        if byte > 1:
            raise ProtocolError('%d is no boolean' % byte)
        return byte == 1
    if kind == 'int':
        return _decode_number(cursor, INT_MIN, INT_MAX)
    if kind == 'long':
        return _decode_number(cursor, LONG_MIN, LONG_MAX)
    if kind == 'string':
        return cursor.take(unzigzag(cursor.varint())).decode('utf-8', 'replace')
    if kind == 'enum':
        return _choose(schema['symbols'], cursor)
    if kind == 'record':
        return {field['name']: _decode(field['type'], cursor, items_left) for field in schema['fields']}
    items = []
    while True:
        count = unzigzag(cursor.varint())
        if count == 0:
            break
        items_left[0] -= count
        if count < 0 or count > cursor.end - cursor.position or items_left[0] < 0:
            raise ProtocolError('a block claims %d items' % count)
        for _ in range(count):
            if kind == 'map':
                key = _decode('string', cursor, items_left)
                items.append((key, _decode(schema['values'], cursor, items_left)))
            else:
                items.append(_decode(schema['items'], cursor, items_left))
    return dict(items) if kind == 'map' else items


# ---- frames ----------------------------------------------------------------------------------------------------------

RESPONSE, UNORDERED, ERROR, NOTICE = 1, 2, 4, 8
FRAME_HEADER = struct.Struct('>IHBBII')
FRAME_BYTES_MAX = 16 * 1024 * 1024

Frame = namedtuple('Frame', 'api version flags correlation body payload')


def encode_frame(api, version, flags, correlation, body, payload=b''):
    size = FRAME_HEADER.size - 4 + len(body) + len(payload)
    return FRAME_HEADER.pack(size, api, version, flags, correlation, len(body)) + body + payload


class FrameReader:
    """Cuts a stream, in pieces of any size, into frames."""

    def __init__(self, max_frame_bytes=FRAME_BYTES_MAX):
        self.max_frame_bytes = max_frame_bytes
        self.buffer = bytearray()

    def push(self, data):
        """Takes the next bytes; returns the frames that are complete now."""
        self.buffer += data
        frames = []
        while len(self.buffer) >= FRAME_HEADER.size:
            size, api, version, flags, correlation, body_size = FRAME_HEADER.unpack_from(self.buffer)
            if size > self.max_frame_bytes:
                raise ProtocolError('FRAME_TOO_LARGE: a frame of %d bytes' % size)
            if size < FRAME_HEADER.size - 4 or body_size > size - (FRAME_HEADER.size - 4):
                raise ProtocolError('MALFORMED_FRAME: a frame of %d bytes with a body of %d' % (size, body_size))
            if len(self.buffer) < size + 4:
                break
            body_end = FRAME_HEADER.size + body_size
            frames.append(Frame(api, version, flags, correlation, bytes(self.buffer[FRAME_HEADER.size:body_end]),
                                bytes(self.buffer[body_end:size + 4])))
            del self.buffer[:size + 4]
        return frames


# ---- record batches --------------------------------------------------------------------------------------------------

BATCH_HEADER = struct.Struct('>qIIqIIIBBHIIqqqiHHI')
BATCH_CRC_START = 36
BATCH_BYTES_MAX = 64 * 1024 * 1024
DECOMPRESSED_BYTES_MAX = 128 * 1024 * 1024
CODEC_NONE, CODEC_GZIP = 0, 1
CODEC_NAMES = ['none', 'gzip', 'brotli', 'lz4', 'zstd']
FLAG_CONTROL, FLAG_ENCRYPTED = 1, 2
SAFE_MAX = 2 ** 53 - 1
TIMESTAMP_MAX = 2 ** 52 - 1
HEADER_COUNT_MAX = 65535

BatchHeader = namedtuple('BatchHeader', 'base_offset size leader_epoch committed_offset prev_crc header_crc crc magic '
                         'codec flags record_count last_offset_delta first_timestamp max_timestamp producer_id '
                         'base_sequence producer_epoch reserved extras_size')
Record = namedtuple('Record', 'partition offset timestamp key value headers')


def _write_nullable(out, data):
    if data is None:
        out.append(0)
    else:
        write_varint(out, len(data) + 1)
        out += data


# Options of a record; times in milliseconds since 1970-01-01 UTC by the broker's clock. The columns of the extras, in
# their order: name, value of a record without the option, bytes.
Options = namedtuple('Options', 'lane not_before expires priority dedup_key', defaults=(-1, 0, 0, 0, bytes(16)))
_COLUMNS = [('lane', -1, '>q'), ('not_before', 0, '>q'), ('expires', 0, '>q'), ('priority', 0, '>B'),
            ('dedup_key', bytes(16), '16s')]


def encode_extras(rows):
    """The extras of a batch: an Options per record; no bytes where no record has any."""
    columns, out = 0, bytearray()
    for index, (name, default, form) in enumerate(_COLUMNS):
        values = [getattr(row, name) for row in rows]
        if any(value != default for value in values):
            columns |= 1 << index
            out += b''.join(struct.pack(form, value) for value in values)
    return struct.pack('>HH', 1, columns) + bytes(out) if columns else b''


def decode_extras(data, position, header):
    """An Options per offset of a checked batch. A consumer needs them not."""
    rows = header.last_offset_delta + 1
    if header.extras_size == 0:
        return [Options()] * rows
    cursor = Cursor(data, position + BATCH_HEADER.size, position + BATCH_HEADER.size + header.extras_size)
    version, columns = struct.unpack('>HH', cursor.take(4))
    if version != 1 or columns >> len(_COLUMNS):
        raise ProtocolError('extras of a later version')
    values = [[struct.unpack(form, cursor.take(struct.calcsize(form)))[0] if columns >> index & 1 else default
               for _ in range(rows)] for index, (_, default, form) in enumerate(_COLUMNS)]
    if not cursor.at_end():
        raise ProtocolError('bytes are left over behind the extras')
    return [Options(*row) for row in zip(*values)]


def encode_batch(records, producer_id=-1, producer_epoch=0, base_sequence=-1, codec=CODEC_NONE, extras=b''):
    """A batch of (key, value, timestamp, headers), as a producer sends it; headers are (name, value) pairs."""
    first = records[0][2]
    out = bytearray()
    for index, (key, value, timestamp, headers) in enumerate(records):
        fields = bytearray()
        write_varint(fields, index)
        write_varint(fields, zigzag(timestamp - first))
        _write_nullable(fields, key)
        _write_nullable(fields, value)
        write_varint(fields, len(headers))
        for name, header_value in headers:
            encoded = name.encode('utf-8')
            write_varint(fields, len(encoded))
            fields += encoded
            _write_nullable(fields, header_value)
        write_varint(out, len(fields))
        out += fields
    if codec == CODEC_GZIP:
        packed = gzip.compress(bytes(out), 5)
        codec, out = (CODEC_GZIP, packed) if len(packed) < len(out) else (CODEC_NONE, out)
    size = BATCH_HEADER.size + len(extras) + len(out)
    header = BATCH_HEADER.pack(0, size, 0, 0, 0, 0, 0, 1, codec, 0, len(records), len(records) - 1, first,
                               max(record[2] for record in records), producer_id, base_sequence, producer_epoch, 0,
                               len(extras))
    covered = header[BATCH_CRC_START:] + extras + bytes(out)
    return header[:32] + struct.pack('>I', crc32c(covered)) + covered


def check_batch(data, position=0, stamped=True):
    """Reads the header of the batch at `position` and checks all of the batch but its records."""
    if len(data) - position < BATCH_HEADER.size:
        raise ProtocolError('a batch is cut off')
    header = BatchHeader._make(BATCH_HEADER.unpack_from(data, position))
    if stamped and crc32c(data[position:position + 28]) != header.header_crc:
        raise ProtocolError('the stamp of a batch is damaged')
    if not BATCH_HEADER.size <= header.size <= BATCH_BYTES_MAX:
        raise ProtocolError('a batch has the impossible size %d' % header.size)
    if len(data) - position < header.size:
        raise ProtocolError('a batch is cut off')
    if crc32c(data[position + BATCH_CRC_START:position + header.size]) != header.crc:
        raise ProtocolError('the batch at offset %d is damaged' % header.base_offset)
    if header.magic != 1:
        raise ProtocolError('the batch at offset %d has layout %d; upgrade the client' %
                            (header.base_offset, header.magic))
    sound = (
        0 <= header.base_offset <= SAFE_MAX and 0 <= header.committed_offset <= SAFE_MAX and
        header.record_count <= header.last_offset_delta + 1 and
        BATCH_HEADER.size + header.extras_size <= header.size and
        0 <= header.first_timestamp <= header.max_timestamp <= TIMESTAMP_MAX and
        -1 <= header.producer_id <= SAFE_MAX and header.base_sequence >= -1 and
        (header.producer_id == -1) == (header.base_sequence == -1))
    if not sound:
        raise ProtocolError('the fields of the batch at offset %d contradict each other' % header.base_offset)
    return header


def next_offset(header):
    """Where to go on behind a batch, whatever records are in it."""
    return header.base_offset + header.last_offset_delta + 1


def _unpack(codec, data):
    if codec == CODEC_NONE:
        return data
    if codec != CODEC_GZIP:
        name = CODEC_NAMES[codec] if codec < len(CODEC_NAMES) else 'codec %d' % codec
        raise CodecUnavailable('records are packed by %s, which Python has no module for' % name)
    try:
        unpacker = zlib.decompressobj(wbits=31)
        unpacked = unpacker.decompress(data, DECOMPRESSED_BYTES_MAX)
        if not unpacker.eof:
            raise ProtocolError('gzip data is cut off or too large')
        return unpacked
    except zlib.error as error:
        raise ProtocolError('gzip data is damaged: %s' % error)


def decode_records(data, position, header, partition=-1):
    """The records of a checked batch, in order."""
    start = position + BATCH_HEADER.size + header.extras_size
    cursor = Cursor(_unpack(header.codec, bytes(data[start:position + header.size])))
    last = -1
    for _ in range(header.record_count):
        length = cursor.varint()
        record = Cursor(cursor.data, cursor.position, cursor.position + length)
        cursor.take(length)
        delta = record.varint()
        if not last < delta <= header.last_offset_delta:
            raise ProtocolError('offsets do not rise inside the batch at offset %d' % header.base_offset)
        last = delta
        timestamp = header.first_timestamp + unzigzag(record.varint())
        if not 0 <= timestamp <= TIMESTAMP_MAX:
            raise ProtocolError('a timestamp is out of range')
        key = _take_nullable(record)
        value = _take_nullable(record)
        count = record.varint()
        if count > HEADER_COUNT_MAX or count > record.end - record.position:
            raise ProtocolError('a record claims %d headers' % count)
        headers = []
        for _ in range(count):
            name = record.take(record.varint()).decode('utf-8', 'replace')
            headers.append((name, _take_nullable(record)))
        yield Record(partition, header.base_offset + delta, timestamp, key, value, headers)
    if not cursor.at_end():
        raise ProtocolError('bytes are left over behind the last record')


def _take_nullable(cursor):
    size = cursor.varint()
    return None if size == 0 else cursor.take(size - 1)


# ---- connection ------------------------------------------------------------------------------------------------------

class Connection:
    """One TCP connection: hello, requests, and responses in whatever order they come."""

    def __init__(self, host, port, client_name='sluice-python', timeout=30):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = FrameReader()
        self.arrived = {}
        self.waiting = {}
        self.correlation = 0
        self.going_away = False
        self.sessions = set()
        self.hello = self.request('hello', {
            'clientName': client_name, 'clientVersion': '0.1.0', 'features': 0, 'mechanism': None,
            'apis': [{'api': api['key'], 'minVersion': 1, 'maxVersion': 1} for api in APIS.values()]})[0]
        self.reader.max_frame_bytes = self.hello['maxFrameBytes']
        self.clock_offset_ms = self.hello['timeMs'] - time.monotonic() * 1000

    def broker_time_ms(self):
        """The clock of the broker: delays and times to live count from it, not from the clock of this machine."""
        return int(self.clock_offset_ms + time.monotonic() * 1000)

    def send(self, api, fields, payload=b'', unordered=False):
        """Sends a request; `wait` takes what this returns."""
        self.correlation = self.correlation % 0xFFFFFFFF + 1
        self.waiting[self.correlation] = api
        body = encode_body(schema_of(api, 1, 'request'), fields)
        flags = UNORDERED if unordered else 0
        self.socket.sendall(encode_frame(APIS[api]['key'], 1, flags, self.correlation, body, payload))
        return self.correlation

    def wait(self, correlation):
        """The fields and the payload of a response; raises SluiceError where it is an error."""
        while correlation not in self.arrived:
            data = self.socket.recv(1 << 16)
            if not data:
                raise ConnectionError('the broker has closed the connection')
            for frame in self.reader.push(data):
                self._on_frame(frame)
        frame = self.arrived.pop(correlation)
        api = self.waiting.pop(correlation)
        if frame.flags & ERROR:
            error = decode_body(schema_of('error', 1, 'response'), frame.body)
            raise SluiceError(error['code'], error['message'], error['retryAfterMs'])
        return decode_body(schema_of(api, 1, 'response'), frame.body), frame.payload

    def request(self, api, fields, payload=b'', unordered=False):
        return self.wait(self.send(api, fields, payload, unordered))

    def close(self):
        self.socket.close()

    def _on_frame(self, frame):
        if frame.flags & NOTICE:
            if frame.api == APIS['goAway']['key']:
                self.going_away = True
        elif frame.correlation in self.waiting:
            self.arrived[frame.correlation] = frame
        elif frame.flags & ERROR:
            error = decode_body(schema_of('error', 1, 'response'), frame.body)
            raise SluiceError(error['code'], error['message'])
        else:
            raise ProtocolError('a response to request %d, which was not sent' % frame.correlation)


# ---- client ----------------------------------------------------------------------------------------------------------

Topic = namedtuple('Topic', 'name topic_id kind leaders')


class Client:
    """Topics, producing and reading. One thread at a time."""

    def __init__(self, host, port, retry_seconds=30):
        self.bootstrap = (host, port)
        self.retry_seconds = retry_seconds
        self.connections = {}
        self.brokers = {}
        self.topics = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for connection in self.connections.values():
            connection.close()
        self.connections.clear()

    def call(self, api, fields, payload=b'', broker=None, unordered=False):
        """One request to a broker (any where it is None), without a retry."""
        try:
            return self.connection(broker).request(api, fields, payload, unordered)
        except (OSError, ProtocolError):
            self.drop(self.brokers.get(broker, self.bootstrap))
            raise

    def connection(self, broker=None):
        address = self.brokers.get(broker, self.bootstrap)
        connection = self.connections.get(address)
        if connection is None or connection.going_away:
            self.drop(address)
            connection = self.connections[address] = Connection(*address)
        return connection

    def drop(self, address):
        connection = self.connections.pop(address, None)
        if connection is not None:
            connection.close()

    def retry(self, attempt):
        """Calls `attempt` until it succeeds, with growing random pauses and fresh metadata."""
        deadline = time.monotonic() + self.retry_seconds
        pause = 0.05
        while True:
            try:
                return attempt()
            except (OSError, SluiceError) as error:
                if isinstance(error, SluiceError) and not error.retriable or time.monotonic() > deadline:
                    raise
                time.sleep(max(random.uniform(0, pause), getattr(error, 'retry_after_ms', 0) / 1000))
                pause = min(pause * 2, 2)
                self.topics.clear()

    def topic(self, name):
        """Id and leaders of a topic, from the cache or the broker."""
        if name not in self.topics:
            response, _ = self.call('metadata', {'topics': [name]})
            self.brokers = {b['brokerId']: (b['host'], b['port']) for b in response['brokers']}
            found = response['topics'][0]
            check(found)
            leaders = {p['partition']: p['leader'] for p in found['partitions']}
            self.topics[name] = Topic(name, found['topicId'], found['kind'], leaders)
        return self.topics[name]

    def list_topics(self):
        return self.call('listTopics', {})[0]['topics']

    def create_queue(self, name, partitions=1, config=None, exists_ok=False):
        self.create_topic(name, partitions, config, exists_ok, kind='queue')

    def create_topic(self, name, partitions=1, config=None, exists_ok=False, kind='stream'):
        response, _ = self.call('createTopics', {
            'timeoutMs': 30000, 'validateOnly': False, 'topics': [{
                'name': name, 'kind': kind, 'partitions': partitions, 'replicationFactor': 0,
                'config': config or {}}]})
        result = response['topics'][0]
        if not (exists_ok and ERRORS.get(result['error'], {}).get('name') == 'TOPIC_EXISTS'):
            check(result)

    def list_offset(self, name, partition, position, timestamp=-1):
        """The offset at 'earliest', 'latest' or 'timestamp'."""
        topic = self.topic(name)
        response, _ = self.call('listOffsets', {'timeoutMs': 30000, 'partitions': [{
            'topicId': topic.topic_id, 'partition': partition, 'position': position, 'timestamp': timestamp}]},
            broker=topic.leaders[partition])
        return check(response['partitions'][0])['offset']

    def fetch(self, name, partition, offset, max_wait_ms=500, max_bytes=1 << 20, last_epoch=-1):
        """Records from `offset` on, where to go on, and the epoch of the last batch read; none, where nothing came.

        `last_epoch` is that of the fetch before, -1 after a seek: with it the broker tells of lost records.
        """
        topic = self.topic(name)
        response, payload = self.call('fetch', {
            'maxWaitMs': max_wait_ms, 'minBytes': 1, 'maxBytes': max_bytes, 'partitions': [{
                'topicId': topic.topic_id, 'partition': partition, 'offset': offset, 'lastEpoch': last_epoch,
                'maxBytes': max_bytes}]}, broker=topic.leaders[partition], unordered=True)
        records, position = [], 0
        for item in response['partitions']:
            check(item)
            end = position + item['size']
            while position < end:
                header = check_batch(payload, position)
                if not header.flags & FLAG_CONTROL:
                    records += [r for r in decode_records(payload, position, header, partition) if r.offset >= offset]
                position += header.size
                if next_offset(header) > offset:
                    offset, last_epoch = next_offset(header), header.leader_epoch
        return records, offset, last_epoch

    def read(self, name, start='earliest'):
        """All records from `start` to the end as it is now, partition by partition."""
        for partition in self.retry(lambda: self.topic(name)).leaders:
            offset = start if isinstance(start, int) else \
                self.retry(lambda: self.list_offset(name, partition, start))
            end = self.retry(lambda: self.list_offset(name, partition, 'latest'))
            epoch = -1
            while offset < end:
                records, offset, epoch = self.retry(
                    lambda: self.fetch(name, partition, offset, last_epoch=epoch))
                yield from (record for record in records if record.offset < end)

    def producer(self, name, idempotent=True, codec=CODEC_NONE):
        return Producer(self, name, idempotent, codec)

    def consumer(self, group, name, start='earliest'):
        return GroupConsumer(self, group, name, start)

    def queue(self, name, leases='session'):
        return Queue(self, name, leases)


def check(item):
    """The item, or its error raised."""
    if item['error'] != 0:
        error = SluiceError(item['error'], item['message'])
        error.resume_offset = item.get('resumeOffset', -1)
        raise error
    return item


# ---- producer --------------------------------------------------------------------------------------------------------

class Producer:
    """Collects records and sends a batch at a time per partition; retries the same bytes."""

    def __init__(self, client, name, idempotent, codec, batch_records=500):
        self.client = client
        self.name = name
        self.codec = codec
        self.batch_records = batch_records
        self.pending = {}
        self.sequences = {}
        self.sticky = 0
        self.duplicates = []
        self.identity = None
        if idempotent:
            answer = client.retry(lambda: client.call('initProducer', {'producerId': -1, 'producerEpoch': -1}))[0]
            self.identity = (answer['producerId'], answer['producerEpoch'])

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.flush()

    def send(self, value, key=None, headers=(), timestamp=None, partition=None, delay_ms=0, ttl_ms=0, priority=0,
             dedup_id=None):
        """Takes a record; it is stored when `flush` has returned. The options from delay_ms on are for queues."""
        topic = self.client.retry(lambda: self.client.topic(self.name))
        if partition is None:
            routing = dedup_id.encode('utf-8') if key is None and dedup_id is not None else key
            count = len(topic.leaders)
            partition = self.sticky % count if routing is None else partition_for_key(routing, count)
        now = self.client.retry(lambda: self.client.connection(topic.leaders[partition])).broker_time_ms() \
            if delay_ms or ttl_ms else 0
        options = Options(
            lane=lane_of_key(key) if topic.kind == 'queue' and key is not None else -1, priority=priority,
            not_before=now + delay_ms if delay_ms else 0, expires=now + ttl_ms if ttl_ms else 0,
            dedup_key=bytes(16) if dedup_id is None else dedup_key(dedup_id))
        records = self.pending.setdefault(partition, [])
        timestamp = int(time.time() * 1000) if timestamp is None else timestamp
        records.append(((key, value, timestamp, list(headers)), options))
        if len(records) >= self.batch_records:
            self.send_batch(partition)

    def flush(self):
        for partition in list(self.pending):
            self.send_batch(partition)

    def send_batch(self, partition):
        """Sends what is pending for a partition; returns the offset of its first record."""
        records = self.pending.pop(partition, [])
        if not records:
            return None
        sequence = self.sequences.get(partition, 0)
        identity = (-1, 0, -1) if self.identity is None else (*self.identity, sequence)
        batch = encode_batch([record for record, _ in records], *identity, self.codec,
                             encode_extras([options for _, options in records]))
        if self.identity is None:
            result = self.post(partition, batch)  # sent again, it might be stored twice
        else:
            result = self.client.retry(lambda: self.post(partition, batch))
        self.sequences[partition] = (sequence + len(records)) % (1 << 31)
        self.sticky += 1
        # Offsets of the records that have the dedup ids: these were not stored for delivery.
        self.duplicates += [(partition, duplicate['offset']) for duplicate in result['duplicateRecords']]
        return result['baseOffset']

    def post(self, partition, batch):
        """Sends a batch as it is, once."""
        topic = self.client.topic(self.name)
        response, _ = self.client.call('produce', {'acks': 'quorum', 'timeoutMs': 30000, 'batches': [{
            'topicId': topic.topic_id, 'partition': partition, 'size': len(batch)}]}, batch,
            broker=topic.leaders[partition])
        return check(response['results'][0])


# ---- group consumer --------------------------------------------------------------------------------------------------

class GroupConsumer:
    """A member of a stream group. Call `poll` and `commit` in turn; `poll` sends the heartbeats."""

    def __init__(self, client, group, name, start='earliest', session_timeout_ms=10000):
        self.client = client
        self.group = group
        self.name = name
        self.start = start
        self.session_timeout_ms = session_timeout_ms
        self.member_id = ''
        self.generation = -1
        # By partition: the next offset, and the epoch of the last batch read before it.
        self.positions = {}
        self.assigned = []
        self.heartbeat_due = 0
        self.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.call('leaveGroup', {'group': self.group, 'memberId': self.member_id})

    def owned(self):
        topic = self.client.retry(lambda: self.client.topic(self.name))
        return [{'topicId': topic.topic_id, 'partitions': sorted(self.positions)}] if self.positions else []

    def join(self):
        response, _ = self.client.retry(lambda: self.client.call('joinGroup', {
            'group': self.group, 'memberId': self.member_id, 'instanceId': None, 'topics': [self.name], 'assignor': '',
            'sessionTimeoutMs': self.session_timeout_ms, 'rebalanceTimeoutMs': 60000, 'generation': self.generation,
            'owned': self.owned()}))
        self.member_id = response['memberId']
        self.take_over(response)

    def heartbeat(self, max_wait_ms=0):
        """Says what this member works on, takes over the assignment; joins again where the broker has forgotten it."""
        def attempt():
            try:
                return self.client.call('heartbeatGroup', {
                    'group': self.group, 'memberId': self.member_id, 'generation': self.generation,
                    'maxWaitMs': max_wait_ms, 'owned': self.owned()}, unordered=True)[0]
            except SluiceError as error:
                if error.name == 'UNKNOWN_MEMBER':
                    return None
                raise
        response = self.client.retry(attempt)
        if response is None:
            self.join()
        else:
            self.take_over(response)

    def take_over(self, response):
        self.generation = response['generation']
        self.heartbeat_due = time.monotonic() + response['heartbeatIntervalMs'] / 1000
        self.assigned = [p for item in response['assigned'] for p in item['partitions']]
        gone = [p for p in self.positions if p not in self.assigned]
        if gone:
            self.commit()
            for partition in gone:
                del self.positions[partition]
            # Tells the broker at once, so that the new owners need not wait.
            return self.heartbeat()
        new = [p for p in self.assigned if p not in self.positions]
        self.positions.update(self.committed(new))

    def committed(self, partitions):
        """Where the group goes on in each partition."""
        if not partitions:
            return {}
        topic = self.client.topic(self.name)
        response, _ = self.client.call('fetchOffsets', {'group': self.group, 'partitions': [
            {'topicId': topic.topic_id, 'partition': p} for p in partitions]})
        return {item['partition']: (check(item)['offset'], item['leaderEpoch']) if item['offset'] >= 0 else
                (self.client.list_offset(self.name, item['partition'], self.start), -1)
                for item in response['offsets']}

    def poll(self, max_wait_ms=200):
        """Records of the assigned partitions, possibly none; they count as handled at the next `commit`."""
        if not self.positions:
            self.heartbeat(max_wait_ms)
        elif time.monotonic() >= self.heartbeat_due:
            self.heartbeat()
        records = []
        for partition in list(self.positions):
            offset, epoch = self.positions[partition]
            try:
                got, *self.positions[partition] = self.client.retry(
                    lambda: self.client.fetch(self.name, partition, offset, max_wait_ms, last_epoch=epoch))
            except SluiceError as error:
                if error.name != 'OFFSET_TRUNCATED':
                    raise
                print(error, file=sys.stderr)
                self.positions[partition] = (error.resume_offset, -1)
            else:
                records += got
        return records

    def commit(self):
        """Stores where to go on. What another member has got meanwhile is dropped: it is delivered again there."""
        if not self.positions:
            return
        def attempt():
            topic = self.client.topic(self.name)
            return self.client.call('commitOffsets', {
                'group': self.group, 'memberId': self.member_id, 'generation': self.generation, 'offsets': [
                    {'topicId': topic.topic_id, 'partition': p, 'offset': o, 'leaderEpoch': e, 'metadata': None}
                    for p, (o, e) in sorted(self.positions.items())]})[0]
        for result in self.client.retry(attempt)['results']:
            name = ERRORS.get(result['error'], {}).get('name')
            if name == 'PARTITION_NOT_OWNED':
                del self.positions[result['partition']]
            if name in ('PARTITION_NOT_OWNED', 'STALE_GENERATION', 'UNKNOWN_MEMBER'):
                self.heartbeat_due = 0
            else:
                check(result)


# ---- queue -----------------------------------------------------------------------------------------------------------

Handle = namedtuple('Handle', 'partition offset lease_epoch lease_sequence')
Lease = namedtuple('Lease', 'record deliveries handle')


class Queue:
    """Records of a queue under leases, in a session that outlives its connections.

    Heartbeats go out with `receive` and `settle`; a handler that takes longer than a few seconds calls `heartbeat`.
    """

    def __init__(self, client, name, leases='session'):
        self.client = client
        self.name = name
        self.leases = leases
        self.session_id = 0
        self.token = ''
        self.heartbeat_due = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends the session: its leases go back to the queue."""
        for broker in list(self.heartbeat_due):
            self.client.retry(lambda: self.call('closeSession', {'sessionId': self.session_id}, broker))

    def call(self, api, fields, broker, unordered=False):
        """A request of the session, which is opened where the connection does not know it."""
        try:
            connection = self.client.connection(broker)
            if self.session_id not in connection.sessions:
                opened, _ = connection.request('openSession', {
                    'sessionId': self.session_id, 'token': self.token, 'clientName': '', 'leases': self.leases})
                self.session_id, self.token = opened['sessionId'], opened['token']
                connection.sessions.add(self.session_id)
                self.plan_heartbeat(broker, opened)
            if 'sessionId' in fields:
                fields = {**fields, 'sessionId': self.session_id}
            return connection.request(api, fields, unordered=unordered)
        except (OSError, ProtocolError):
            self.client.drop(self.client.brokers.get(broker, self.client.bootstrap))
            raise

    def plan_heartbeat(self, broker, response):
        after = response['heartbeatMs']
        self.heartbeat_due[broker] = float('inf') if after < 0 else time.monotonic() + after / 1000

    def heartbeat(self):
        """Renews the leases; returns notices of those that are lost or whose records were cancelled."""
        notices = []
        for broker in [b for b, due in self.heartbeat_due.items() if time.monotonic() >= due]:
            more = True
            while more:
                response, _ = self.client.retry(lambda: self.call('heartbeatSession', {'sessionId': 0}, broker))
                self.plan_heartbeat(broker, response)
                notices += response['notices']
                more = response['more']
        return notices

    def receive(self, max_records=100, wait_ms=1000, max_bytes=1 << 20):
        """Leases records; possibly none, where none came in time."""
        self.heartbeat()
        topic = self.client.retry(lambda: self.client.topic(self.name))
        brokers = sorted(set(topic.leaders.values()))
        leases = []
        for broker in brokers:
            if len(leases) < max_records:
                wait = 0 if leases else wait_ms // len(brokers)
                leases += self.client.retry(
                    lambda: self.receive_from(broker, max_records - len(leases), max_bytes, wait))
        return leases

    def receive_from(self, broker, max_records, max_bytes, wait_ms):
        topic = self.client.topic(self.name)
        response, payload = self.call('receive', {
            'sessionId': 0, 'maxRecords': max_records, 'maxBytes': max_bytes, 'maxWaitMs': wait_ms,
            'partitions': [self.place(p) for p, leader in topic.leaders.items() if leader == broker]},
            broker, unordered=True)
        self.plan_heartbeat(broker, response)
        leases, position = [], 0
        for item in response['partitions']:
            check(item)
            records, end = {}, position + item['size']
            while position < end:
                header = check_batch(payload, position)
                for record in decode_records(payload, position, header, item['partition']):
                    records[record.offset] = record
                position += header.size
            for run in item['leases']:
                leases += [Lease(records[run['offset'] + i], run['deliveries'],
                                 Handle(item['partition'], run['offset'] + i, item['leaseEpoch'],
                                        run['leaseSequence'] + i)) for i in range(run['count'])]
        return leases

    def place(self, partition):
        return {'topicId': self.client.topic(self.name).topic_id, 'partition': partition, 'group': ''}

    def settle(self, kind, leases, delay_ms=-1, reason=''):
        """Settles leases, or bare handles, of any session; returns an answer for each, in their order."""
        self.heartbeat()
        handles = [getattr(lease, 'handle', lease) for lease in leases]
        answers = {}
        for partition in sorted({handle.partition for handle in handles}):
            own = [handle for handle in handles if handle.partition == partition]
            items = [{'kind': kind, 'offset': h.offset, 'count': 1, 'leaseEpoch': h.lease_epoch,
                      'leaseSequence': h.lease_sequence, 'delayMs': delay_ms, 'reason': reason} for h in own]
            # Settling twice does no harm: after a lost connection it is simply sent again.
            runs = self.client.retry(lambda: self.settle_items(partition, items))
            answers.update(zip(own, [run['answer'] for run in runs for _ in range(run['count'])]))
        return [answers[handle] for handle in handles]

    def settle_items(self, partition, items):
        topic = self.client.topic(self.name)
        response, _ = self.client.call('settle', {
            'acks': 'quorum', 'timeoutMs': 30000, 'partitions': [{**self.place(partition), 'items': items}]},
            broker=topic.leaders[partition])
        return check(response['results'][0])['answers']

    def ack(self, *leases):
        """Done: once this has returned 'ok' the record is never handed out again."""
        return self.settle('ack', leases)

    def nack(self, lease, delay_ms=-1, reason=''):
        """Failed: handed out again after the delay, or after the back-off of the queue."""
        return self.settle('nack', [lease], delay_ms, reason)[0]

    def release(self, *leases):
        """Not done, and no failure: handed out again at once."""
        return self.settle('release', leases)

    def reject(self, lease, reason=''):
        """Never to succeed: a dead letter at once."""
        return self.settle('reject', [lease], reason=reason)[0]

    def extend(self, lease, milliseconds):
        """Needs so long from now on."""
        return self.settle('extend', [lease], milliseconds)[0]


# ---- command line ----------------------------------------------------------------------------------------------------

def run_topics(client, _):
    for topic in client.list_topics():
        print('%s\t%d' % (topic['name'], topic['partitions']))


def run_create(client, options):
    client.create_topic(options.topic, options.partitions)


def run_create_queue(client, options):
    client.create_queue(options.topic, options.partitions, dict(text.split('=', 1) for text in options.set))


def run_produce(client, options):
    count = 0
    with client.producer(options.topic, codec=CODEC_GZIP if options.gzip else CODEC_NONE) as producer:
        for line in sys.stdin.buffer:
            line = line.rstrip(b'\n')
            key = None
            if options.key_separator is not None:
                key, found, rest = line.partition(options.key_separator.encode())
                key, line = (key, rest) if found else (None, line)
            producer.send(line, key=key, delay_ms=options.delay_ms)
            count += 1
    print('%d records stored' % count, file=sys.stderr)


def print_record(record):
    sys.stdout.buffer.write(b'' if record.value is None else record.value)
    sys.stdout.buffer.write(b'\n')


def run_consume(client, options):
    start = int(options.offset) if options.offset.isdigit() else options.offset
    if options.group is None:
        for record in client.read(options.topic, start):
            print_record(record)
        return
    with client.consumer(options.group, options.topic, start) as consumer:
        while True:
            records = consumer.poll()
            for record in records:
                print_record(record)
            sys.stdout.buffer.flush()
            if records:
                consumer.commit()
            elif options.end and consumer.positions:
                return


def run_receive(client, options):
    left = options.count
    with client.queue(options.topic) as queue:
        while left > 0:
            leases = queue.receive(min(left, 500), options.wait_ms)
            if not leases:
                return
            for lease in leases:
                print_record(lease.record)
            sys.stdout.buffer.flush()
            queue.ack(*leases)
            left -= len(leases)


def main(arguments=None):
    parser = argparse.ArgumentParser(description='A small Sluice client.')
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument('--broker', default='127.0.0.1:7400', help='HOST:PORT (default %(default)s)')
    commands = parser.add_subparsers(dest='command', required=True)
    commands.add_parser('topics', parents=[common], help='list topics').set_defaults(run=run_topics)
    create = commands.add_parser('create', parents=[common], help='create a topic')
    create.add_argument('topic')
    create.add_argument('--partitions', type=int, default=1)
    create.set_defaults(run=run_create)
    for name in ('produce', 'send'):
        produce = commands.add_parser(name, parents=[common], help='store stdin, a record a line')
        produce.add_argument('topic')
        produce.add_argument('-k', '--key-separator', help='what stands between key and value of a line')
        produce.add_argument('--gzip', action='store_true')
        produce.set_defaults(run=run_produce, delay_ms=0)
    produce.add_argument('--delay-ms', type=int, default=0, help='hand the records out so long from now')
    queue = commands.add_parser('create-queue', parents=[common], help='create a queue')
    queue.add_argument('topic', metavar='queue')
    queue.add_argument('--partitions', type=int, default=1)
    queue.add_argument('--set', action='append', default=[], metavar='NAME=VALUE', help='a setting, such as max.attempts=3')
    queue.set_defaults(run=run_create_queue)
    receive = commands.add_parser('receive', parents=[common], help='print and acknowledge records of a queue')
    receive.add_argument('topic', metavar='queue')
    receive.add_argument('-n', '--count', type=int, default=1)
    receive.add_argument('--wait-ms', type=int, default=1000, help='stop when none came for so long')
    receive.set_defaults(run=run_receive)
    consume = commands.add_parser('consume', parents=[common], help='print values, a record a line')
    consume.add_argument('topic')
    consume.add_argument('-o', '--offset', default='earliest', help='earliest, latest or a number')
    consume.add_argument('-g', '--group', help='read as a member of this group, and commit')
    consume.add_argument('-e', '--end', action='store_true', help='stop at the end (always, without a group)')
    consume.set_defaults(run=run_consume)
    options = parser.parse_args(arguments)
    host, _, port = options.broker.rpartition(':')
    try:
        with Client(host, int(port)) as client:
            options.run(client, options)
        return 0
    except (SluiceError, ProtocolError, CodecUnavailable, OSError) as error:
        print('sluice_client: %s' % error, file=sys.stderr)
        return 1


if __name__ == '__main__':
    sys.exit(main())
