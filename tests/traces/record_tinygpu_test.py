#!/usr/bin/env python3
# tests/traces/record_tinygpu_test.py - scripts/record-tinygpu between a program and a server, both played by the test.
import array
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

PROXY = sys.argv.pop(1)
REQUEST = struct.Struct("<BIIQQQ")
RESPONSE = struct.Struct("<BQQ")


def receive(connection, count):
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            return data
        data += part
    return data


class Proxied(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.out = os.path.join(self.directory.name, "session.jsonl")

    def tearDown(self):
        self.directory.cleanup()

    def run_through(self, program, server):
        """Both are functions of a connected socket. Returns the recorded lines."""
        paths = [os.path.join(self.directory.name, name) for name in ("program", "server")]
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(paths[1])
        listener.listen(1)
        failures = []

        def serve():
            connection, _ = listener.accept()
            with connection:
                try:
                    server(connection)
                except Exception as error:  # shown by the main thread
                    failures.append(error)

        thread = threading.Thread(target=serve)
        thread.start()
        proxy = subprocess.Popen([PROXY, "--listen", paths[0], "--connect", paths[1], "--out", self.out],
                                 stderr=subprocess.PIPE, text=True)
        proxy.stderr.readline()  # it listens
        client = socket.socket(socket.AF_UNIX)
        client.connect(paths[0])
        with client:
            program(client)
        self.message = proxy.communicate(timeout=20)[1]
        thread.join(timeout=20)
        listener.close()
        self.code = proxy.returncode
        self.assertEqual(failures, [])
        with open(self.out, encoding="ascii") as lines:
            return [json.loads(line) for line in lines]

    def test_requests_and_replies_pass_unchanged_and_are_written_down(self):
        written = bytes(range(8)) * 2
        zeros = bytes(4096)

        def program(side):
            side.sendall(REQUEST.pack(6, 0, 5, 0x378C, 4, 0))  # MMIO_READ
            self.assertEqual(receive(side, 21), RESPONSE.pack(0, 4, 0) + b"\x00\x02\x00\x00")
            side.sendall(REQUEST.pack(7, 0, 0, 16, 16, 0) + written)  # MMIO_WRITE, posted
            side.sendall(REQUEST.pack(10, 0, 3, 0, 4096, 0) + zeros)  # SYSMEM_WRITE, posted
            side.sendall(REQUEST.pack(3, 0, 0, 0, 4, 0))  # CFG_READ
            self.assertEqual(receive(side, 17), RESPONSE.pack(0, 0x74A11002, 0))
            side.sendall(REQUEST.pack(11, 0, 0, 1 << 30, 0, 0))  # RESIZE_BAR, refused
            self.assertEqual(receive(side, 19), RESPONSE.pack(1, 2, 0) + b"no")

        def server(side):
            self.assertEqual(receive(side, 33), REQUEST.pack(6, 0, 5, 0x378C, 4, 0))
            side.sendall(RESPONSE.pack(0, 4, 0) + b"\x00\x02\x00\x00")
            self.assertEqual(receive(side, 33 + 16)[33:], written)
            self.assertEqual(receive(side, 33 + 4096)[33:], zeros)
            receive(side, 33)
            side.sendall(RESPONSE.pack(0, 0x74A11002, 0))
            receive(side, 33)
            side.sendall(RESPONSE.pack(1, 2, 0) + b"no")

        lines = self.run_through(program, server)
        self.assertEqual(self.code, 0)
        self.assertIn("5 requests", self.message)
        self.assertEqual([line["cmd"] for line in lines],
                         ["MMIO_READ", "MMIO_WRITE", "SYSMEM_WRITE", "CFG_READ", "RESIZE_BAR"])
        self.assertEqual(lines[0]["ret"], "00020000")
        self.assertEqual(lines[0]["st"], 0)
        self.assertEqual(lines[1]["data"], written.hex())
        self.assertNotIn("st", lines[1])
        self.assertEqual(lines[2]["data"], {"fill": 0, "len": 4096})
        self.assertEqual(lines[3]["r0"], 0x74A11002)
        self.assertNotIn("ret", lines[3])
        self.assertEqual((lines[4]["st"], lines[4]["ret"]), (1, b"no".hex()))
        self.assertEqual(sorted(line["t"] for line in lines), [line["t"] for line in lines])

    def test_shared_memory_is_recorded_with_its_pages(self):
        with tempfile.TemporaryFile() as memory:
            memory.write(struct.pack("<QQQQ", 0x100000000, 8192, 0, 0).ljust(8192, b"\0"))
            memory.flush()

            def program(side):
                side.sendall(REQUEST.pack(2, 0, 0, 8192, 0, 0))
                data, ancillary, _, _ = side.recvmsg(17, socket.CMSG_SPACE(16))
                numbers = array.array("i", ancillary[0][2])
                self.assertEqual(os.fstat(numbers[0]).st_size, 8192)
                os.close(numbers[0])

            def server(side):
                receive(side, 33)
                side.sendmsg([RESPONSE.pack(0, 0, 0)],
                             [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [memory.fileno()]))])

            lines = self.run_through(program, server)
        self.assertEqual(len(lines), 1, self.message)
        self.assertEqual(lines[0]["cmd"], "MAP_SYSMEM")
        self.assertEqual(lines[0]["a0"], 8192)
        self.assertEqual(lines[0]["ret"], struct.pack("<QQ", 0x100000000, 0x100001000).hex())
        self.assertEqual(lines[0]["r0"], 16)

    def test_what_is_not_the_protocol_ends_with_a_sentence(self):
        def program(side):
            side.sendall(REQUEST.pack(99, 0, 0, 0, 0, 0))
            side.recv(1)

        lines = self.run_through(program, lambda side: side.recv(1))
        self.assertEqual(lines, [])
        self.assertEqual(self.code, 1)
        self.assertIn("command 99 is not of this protocol; 0 requests before it", self.message)

    def test_a_server_that_hangs_up_ends_the_recording(self):
        def program(side):
            side.sendall(REQUEST.pack(12, 0, 0, 0, 0, 0))
            self.assertEqual(side.recv(1), b"")

        lines = self.run_through(program, lambda side: receive(side, 33))
        self.assertEqual(lines, [])
        self.assertEqual(self.code, 0)


if __name__ == "__main__":
    unittest.main()
