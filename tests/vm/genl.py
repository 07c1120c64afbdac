# SPDX-License-Identifier: GPL-2.0-only
"""Generic netlink without a library: just enough to drive the family qos_dwcs.

The numbers of commands and attributes are read from kmod/uapi/qos_dwcs.h, so that there is one list of
them. Weakness: only what that header uses (enums that count up from 0, u8 u32 s32 u64 strings, nests).
"""
import os
import re
import socket
import struct

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HEADERS = [os.path.join(TOP, "kmod", "uapi", name) for name in ("qos_dwcs.h", "qos_dwcs_rules.h")]

NLM_F_REQUEST, NLM_F_MULTI, NLM_F_ACK, NLM_F_DUMP_INTR = 1, 2, 4, 16
NLM_F_EXCL, NLM_F_DUMP = 0x200, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
NETLINK_GENERIC, GENL_ID_CTRL = 16, 16
NLA_F_NESTED = 0x8000
SO_RCVBUFFORCE = 33
SOL_NETLINK, ADD_MEMBERSHIP, EXT_ACK, CAP_ACK = 270, 1, 11, 10

# Attributes that are not u32, by the end of their name.
U64 = """LEASE LEASE_LEFT CAP_INTERVAL TELEMETRY EVENTS_LOST DISPATCH BLOCKING PERIOD DEADLINE RUNTIME RUNTIME_BASE
RUNTIME_MIN RUNTIME_MAX LATENCY TIME START GRID GOT EPOCH BUDGET FROM TO STEP GAP RAISED
DROPPED RUN_TIME REVERSALS RESERVED VALUE BASE RATE LOWEST HIGHEST""".split()
U8 = "CAPPED EXPIRED PROVEN ARM HELD".split()
TEXT = "NAME CONTRACT COMM".split()
BINARY = "AFFINITY BITS OUTCOMES".split()
NESTS = {"STREAM_A_STATS": "STATS", "CPU_A_COUNTERS": "CPU_COUNT", "CONTRACT_A_STREAM": "STREAM",
         "EVENT_A_INSTEAD": "INSTEAD", "RULES_A_STREAM": "RULES_STREAM",
         "RULES_A_FLOW": "RULES_FLOW"}
HISTOGRAMS = "RESPONSE SLACK USED_HIST LATENCY".split()


def text_of(*headers):
    """Without comments."""
    text = ""
    for header in headers:
        with open(header, encoding="ascii") as file:
            text += file.read()
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def enums(headers=HEADERS, prefix="QOS_DWCS_"):
    """name without the prefix -> number"""
    text = text_of(*headers)
    values = {}
    for body in re.findall(r"enum\s+\w+\s*\{(.*?)\}", text, flags=re.S):
        n = 0
        for item in filter(None, (i.strip() for i in body.split(","))):
            name, _, value = (p.strip() for p in item.partition("="))
            n = int(value) if value else n
            values[name.replace(prefix, "", 1)] = n
            n += 1
    for name, value in re.findall(rf"#define {prefix}(\w+)\s+(0x[0-9a-f]+|\d+)U?L*\b", text):
        values[name] = int(value, 0)
    return values


N = enums()


class Refused(Exception):
    def __init__(self, error, text, offset=None):
        super().__init__(f"{os.strerror(error)}: {text}")
        self.errno, self.text, self.offset = error, text, offset


def space_of(key):
    return re.match(r"(.*?)_A_", key).group(1)


def kind_of(space, name):
    if space == "STATS":
        return "hist" if name in HISTOGRAMS else "u64"
    if space == "CPU_COUNT":
        return "u64"
    if f"{space}_A_{name}" in NESTS:
        return "nest"
    if name == "VERDICTS":
        return "u64s"
    if (space, name) in (("THREAD", "NICE"), ("CPU", "FREE")):
        return "s32"
    if space in ("RULES_STREAM", "RULES_FLOW") and name in ("LATE", "WINDOW", "JOB", "DROP"):
        return "u32"
    if space == "EVENT" and name == "STREAM" or space == "EVENT" and name == "LOST":
        return "u32"
    for names, kind in ((U64, "u64"), (U8, "u8"), (TEXT, "text"), (BINARY, "binary")):
        if name in names:
            return kind
    return "u32"


def attr(number, payload):
    length = 4 + len(payload)
    return struct.pack("=HH", length, number) + payload + b"\0" * (-length % 4)


def pack(space, values):
    """{"NAME": value}; a value of bytes goes as it is; a list of maps for nests."""
    out = b""
    for name, value in values.items():
        number, kind = N[f"{space}_A_{name}"], kind_of(space, name)
        if kind == "nest":
            inner = NESTS[f"{space}_A_{name}"]
            for one in value:
                out += attr(number | NLA_F_NESTED, pack(inner, one))
            continue
        if isinstance(value, bytes):
            payload = value
        elif kind == "text":
            payload = value.encode() + b"\0"
        else:
            payload = struct.pack({"u64": "=Q", "u32": "=I", "u8": "=B", "s32": "=i"}[kind], value)
        out += attr(number, payload)
    return out


def split(data):
    while len(data) >= 4:
        length, number = struct.unpack_from("=HH", data)
        if length < 4:
            return
        yield number & 0x3fff, data[4:length]
        data = data[(length + 3) & ~3:]


NAMES = {}
for key, value in N.items():
    if "_A_" in key and not key.startswith("_") and not key.endswith("_A_MAX"):
        NAMES.setdefault(space_of(key), {})[value] = key.split("_A_", 1)[1]


def unpack(space, data):
    out = {}
    for number, payload in split(data):
        name = NAMES[space].get(number)
        if name in (None, "PAD"):
            continue
        kind = kind_of(space, name)
        if kind == "nest":
            out.setdefault(name, []).append(unpack(NESTS[f"{space}_A_{name}"], payload))
        elif kind == "text":
            out[name] = payload.rstrip(b"\0").decode()
        elif kind == "binary":
            out[name] = payload
        elif kind == "u64s":
            out[name] = struct.unpack(f"={len(payload) // 8}Q", payload)
        elif kind == "hist":
            out[name] = struct.unpack(f"={len(payload) // 4}I", payload)
        else:
            out[name] = struct.unpack({"u64": "=Q", "u32": "=I", "u8": "=B", "s32": "=i"}[kind],
                                      payload)[0]
    for name in ("STATS", "COUNTERS"):
        if name in out:
            out[name] = out[name][0]
    return out


def netlink_socket(protocol):
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
    sock.setsockopt(SOL_NETLINK, EXT_ACK, 1)
    sock.setsockopt(SOL_NETLINK, CAP_ACK, 1)
    if os.geteuid() == 0:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
    sock.bind((0, 0))
    return sock


class Netlink:
    def __init__(self, like=None):
        """like: another one, that knows the family; then nothing has been read from the socket yet."""
        self.sock = netlink_socket(NETLINK_GENERIC)
        self.seq = 0
        self.interrupted = False
        self.family, self.groups = (like.family, like.groups) if like else (None, {})
        if like:
            return
        reply = self.raw(GENL_ID_CTRL, 3, attr(2, b"qos_dwcs\0"))
        for number, payload in split(reply[0][4:]):
            if number == 1:
                self.family = struct.unpack("=H", payload)[0]
            elif number == 7:
                for _, group in split(payload):
                    fields = dict(split(group))
                    self.groups[fields[1].rstrip(b"\0").decode()] = struct.unpack("=I", fields[2])[0]

    def send(self, family, cmd, payload, flags):
        self.seq += 1
        body = struct.pack("=BBH", cmd, 1, 0) + payload
        head = struct.pack("=IHHII", 16 + len(body), family, NLM_F_REQUEST | flags, self.seq, 0)
        self.sock.send(head + body)

    def batch(self, messages):
        """[(command, payload, flags with NLM_F_ACK)] by one call; how many of them were done."""
        first, data = self.seq + 1, b""
        for cmd, payload, flags in messages:
            self.seq += 1
            body = struct.pack("=BBH", cmd, 1, 0) + payload
            head = struct.pack("=IHHII", 16 + len(body), self.family, NLM_F_REQUEST | flags, self.seq, 0)
            data += head + body + b"\0" * (-len(body) % 4)
        self.sock.send(data)
        open_, done = set(range(first, self.seq + 1)), 0
        while open_:
            for kind, _, seq, body in self.messages():
                if kind == NLMSG_ERROR and seq in open_:
                    open_.remove(seq)
                    done += not struct.unpack_from("=i", body)[0]
        return done

    def messages(self):
        data = self.sock.recv(1 << 18)
        while len(data) >= 16:
            length, kind, flags, seq, _ = struct.unpack_from("=IHHII", data)
            yield kind, flags, seq, data[16:length]
            data = data[(length + 3) & ~3:]

    def refused(self, flags, body):
        error = -struct.unpack_from("=i", body)[0]
        text, offset = "", None
        if flags & 0x200:  # NLM_F_ACK_TLVS; the request is capped
            for number, payload in split(body[20:]):
                if number == 1:
                    text = payload.rstrip(b"\0").decode()
                elif number == 2:
                    offset = struct.unpack("=I", payload)[0]
        return Refused(error, text, offset)

    def raw(self, family, cmd, payload=b"", flags=NLM_F_ACK):
        """The answers' bodies, behind the netlink header."""
        self.send(family, cmd, payload, flags)
        answers = []
        self.interrupted = False
        while True:
            for kind, mflags, seq, body in self.messages():
                if seq != self.seq:
                    continue
                self.interrupted |= bool(mflags & NLM_F_DUMP_INTR)
                if kind == NLMSG_ERROR:
                    if struct.unpack_from("=i", body)[0]:
                        raise self.refused(mflags, body)
                    return answers
                if kind == NLMSG_DONE:
                    return answers
                answers.append(body)

    def call(self, cmd, space, values=None, flags=NLM_F_ACK):
        answers = self.raw(self.family, N["CMD_" + cmd], pack(space, values or {}), flags)
        return [unpack(space, body[4:]) for body in answers]

    def get(self, cmd, space, **values):
        return self.call(cmd, space, values)[0]

    def set(self, cmd, space, **values):
        self.call(cmd, space, values)

    def dump(self, cmd, space):
        return self.call(cmd, space, {}, NLM_F_DUMP)

    def join(self, group):
        self.sock.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, self.groups[group])

    def heard(self, timeout):
        """Multicast messages that come within `timeout` seconds: (command's number, attributes)."""
        self.sock.settimeout(timeout)
        try:
            out = []
            for kind, _, _, body in self.messages():
                if kind == self.family:
                    space = "EVENT" if body[0] == N["CMD_EVENT"] else "STREAM"
                    out.append((body[0], unpack(space, body[4:])))
            return out
        except TimeoutError:
            return []
        finally:
            self.sock.settimeout(None)
