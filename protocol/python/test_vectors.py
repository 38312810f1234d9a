"""Runs the Python client over the vectors: python3 -m unittest test_vectors, in this folder."""

import glob
import json
import os
import unittest

import sluice_client as sluice

VECTORS = os.path.join(sluice.PROTOCOL_FOLDER, 'vectors')


def vectors(name):
    with open(os.path.join(VECTORS, name), encoding='utf-8') as file:
        return json.load(file)


def messages():
    for path in sorted(glob.glob(os.path.join(VECTORS, '*.v[0-9]*.json'))):
        yield from vectors(os.path.basename(path))


def maybe_hex(data):
    return None if data is None else data.hex()


class Checksums(unittest.TestCase):
    def test_crc32c(self):
        for row in vectors('checksums.json')['crc32c']:
            self.assertEqual(sluice.crc32c(bytes.fromhex(row['hex'])), row['crc'], row['about'])

    def test_partitions(self):
        for row in vectors('checksums.json')['partitions']:
            partition = sluice.partition_for_key(bytes.fromhex(row['key']), row['partitions'])
            self.assertEqual(partition, row['partition'], row['about'])


    def test_lanes(self):
        for row in vectors('checksums.json')['lanes']:
            self.assertEqual(sluice.lane_of_key(bytes.fromhex(row['key'])), row['lane'], row['about'])

    def test_dedup_keys(self):
        for row in vectors('checksums.json')['dedupKeys']:
            self.assertEqual(sluice.dedup_key(row['dedupId']).hex(), row['dedupKey'])
        for wrong in ('', 'x' * 129):
            self.assertRaises(ValueError, sluice.dedup_key, wrong)


class Messages(unittest.TestCase):
    def test_decode_and_encode(self):
        count = 0
        for vector in messages():
            data = bytes.fromhex(vector['hex'])
            frame, = sluice.FrameReader().push(data)
            schema = sluice.schema_of(vector['api'], vector['version'], vector['direction'])
            self.assertEqual(sluice.decode_body(schema, frame.body), vector['fields'], vector['name'])
            self.assertEqual(frame.payload.hex(), vector['payload'])
            self.assertEqual((frame.flags, frame.correlation), (vector['flags'], vector['correlation']))
            again = sluice.encode_frame(frame.api, frame.version, frame.flags, frame.correlation,
                                        sluice.encode_body(schema, vector['fields']), frame.payload)
            self.assertEqual(again, data, vector['name'])
            count += 1
        self.assertGreater(count, 100)

    def test_byte_by_byte(self):
        all_frames = [bytes.fromhex(vector['hex']) for vector in messages()]
        reader, frames = sluice.FrameReader(), []
        for byte in b''.join(all_frames):
            frames += reader.push(bytes([byte]))
        self.assertEqual(len(frames), len(all_frames))

    def test_malformed_frames(self):
        for vector in vectors('malformed-frames.json'):
            with self.assertRaisesRegex(sluice.ProtocolError, vector['error'], msg=vector['name']):
                sluice.FrameReader(vector['maxFrameBytes']).push(bytes.fromhex(vector['hex']))

    def test_malformed_bodies(self):
        for vector in vectors('malformed-bodies.json'):
            api, version, direction = vector['message'].split('.')
            schema = sluice.schema_of(api, int(version[1:]), direction)
            with self.assertRaises(sluice.ProtocolError, msg=vector['name']):
                sluice.decode_body(schema, bytes.fromhex(vector['hex']))


class Batches(unittest.TestCase):
    def test_decode(self):
        decoded = 0
        for vector in vectors('batches.json'):
            data = bytes.fromhex(vector['hex'])
            header = sluice.check_batch(data, 0, vector['stamped'])
            self.assertEqual(header.base_offset, vector['header']['baseOffset'], vector['name'])
            self.assertEqual(header.producer_epoch, vector['header']['producerEpoch'])
            try:
                records = list(sluice.decode_records(data, 0, header))
            except sluice.CodecUnavailable:
                self.assertIn(vector['name'], ('brotli', 'lz4', 'zstd'))
                continue
            self.assertEqual([{
                'offset': record.offset, 'timestamp': record.timestamp, 'key': maybe_hex(record.key),
                'value': maybe_hex(record.value),
                'headers': [[name, maybe_hex(value)] for name, value in record.headers],
            } for record in records], vector['records'], vector['name'])
            decoded += 1
        self.assertGreaterEqual(decoded, 15)

    def test_extras(self):
        count = 0
        for vector in vectors('batches.json'):
            data = bytes.fromhex(vector['hex'])
            header = sluice.check_batch(data, 0, vector['stamped'])
            rows = sluice.decode_extras(data, 0, header)
            self.assertEqual(sluice.encode_extras(rows).hex(), vector['extras'], vector['name'])
            if vector['options'] is not None:
                self.assertEqual([{
                    'lane': row.lane, 'notBefore': row.not_before, 'expires': row.expires, 'priority': row.priority,
                    'dedupKey': row.dedup_key.hex(),
                } for row in rows], vector['options'])
                count += 1
        self.assertGreaterEqual(count, 2)

    def test_extras_of_a_batch(self):
        rows = [sluice.Options(lane=7, dedup_key=sluice.dedup_key('a')), sluice.Options(not_before=5)]
        records = [(b'k', b'v', 1000, []), (None, b'w', 1001, [])]
        data = sluice.encode_batch(records, codec=sluice.CODEC_GZIP, extras=sluice.encode_extras(rows))
        header = sluice.check_batch(data, 0, stamped=False)
        self.assertEqual(sluice.decode_extras(data, 0, header), rows)
        self.assertEqual([r.value for r in sluice.decode_records(data, 0, header)], [b'v', b'w'])

    def test_encode(self):
        for vector in vectors('batches.json'):
            if vector['name'] == 'produced':
                records = [(r['key'] and bytes.fromhex(r['key']), bytes.fromhex(r['value']), r['timestamp'], [])
                           for r in vector['records']]
                self.assertEqual(sluice.encode_batch(records).hex(), vector['hex'])

    def test_gzip_round_trip(self):
        records = [(b'k', b'v' * 1000, 1000 + n, [('h', None), ('h', b'x')]) for n in range(100)]
        data = sluice.encode_batch(records, 7, 1, 2 ** 31 - 1, sluice.CODEC_GZIP)
        header = sluice.check_batch(data, 0, stamped=False)
        self.assertEqual(header.codec, sluice.CODEC_GZIP)
        got = [(r.key, r.value, r.timestamp, r.headers) for r in sluice.decode_records(data, 0, header)]
        self.assertEqual(got, records)

    def test_malformed(self):
        for vector in vectors('malformed-batches.json'):
            if vector['check'] == 'new':
                continue  # for brokers
            with self.assertRaises((sluice.ProtocolError, sluice.CodecUnavailable), msg=vector['name']):
                data = bytes.fromhex(vector['hex'])
                header = sluice.check_batch(data, 0, vector['check'] == 'stored')
                list(sluice.decode_records(data, 0, header))


if __name__ == '__main__':
    unittest.main()
