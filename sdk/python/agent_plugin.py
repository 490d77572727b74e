"""Write a sink for INU-Logsmith's agent in Python.

    import agent_plugin

    class Sink:
        def __init__(self, settings):
            self.file = open(settings["path"], "ab")

        def write(self, batch):
            for event in batch.events:
                self.file.write(event.raw + b"\\n")
            self.file.flush()

    agent_plugin.serve_sink("example", "1.0.0", Sink, [
        agent_plugin.setting("path", "string", "File to append to."),
    ])

The agent starts the program for each block `sink "example"` of its agent.hcl. write is
called one batch at a time, from one thread after another. Returning says that every
event is durable, but for those that the returned dict rejects: {index: reason}. Delivery
is at least once: after an error or a crash the same events come again, and event.id
recognises repeats. What write raises is tried again, unless it is Invalid (the data is
at fault; the agent finds out which event) or Denied (somebody has to act).

A batch is the message WriteRequest of plugin.proto; its events have id, time
(microseconds since 1970, 0 if unknown), name, source, region, account, principal,
error_code, read_only (0 absent, 1 false, 2 true) and raw, the record's bytes.

A sink may have close(), called after the last write. Log with the module logging: the
lines arrive in the agent's log. What is printed arrives there too.

It needs Debian's python3-grpcio and python3-cryptography.
"""

import base64
import json
import logging
import os
import re
import signal
import sys
import tempfile
import threading
import time
import traceback
from concurrent import futures

import plugin_pb2

COOKIE = ("INU_LOGSMITH_PLUGIN", "6f2c1f5e9b7d4d0a8c53a1e7")
LIFELINE = "INU_LOGSMITH_LIFELINE_FD"
LIFELINE_GRACE = 5  # seconds that a plugin may go on after the agent has vanished
MAX_MESSAGE = 64 << 20


class Invalid(Exception):
    """The data is at fault: trying again cannot help."""


class Denied(Exception):
    """Rights or set-up are missing: somebody has to act."""


def setting(name, type, doc, **rules):
    """An attribute of the block.

    type is "string", "bool", "int", "number", "duration" (nanoseconds arrive), "size"
    (bytes arrive), "list(string)" or "map(string)". Without default=... or
    optional=True it is required. Further rules: sensitive=True, enum=[...], min=,
    max=, pattern=. Of the settings with the same one_of="word" exactly one must be given.
    """
    attribute = {"name": name, "type": type, "doc": doc}
    optional = rules.pop("optional", False) or "default" in rules or "one_of" in rules
    if not optional:
        attribute["required"] = True
    attribute.update(rules)
    return attribute


def serve_sink(type, version, open, settings, validate=None):
    """Serve a sink to the agent. It is called last and never returns.

    open is called once, with a dict of the settings, and returns the sink. validate,
    if given, gets the same dict and returns a list of (path, summary, detail) for what
    the rules of the settings cannot say; it touches neither network nor disk.
    """
    if os.environ.get(COOKIE[0]) != COOKIE[1]:
        print(f'{type} {version} is a sink plugin of INU-Logsmith. The agent starts it '
              f'for each block\n\n\tsink "{type}" {{ ... }}\n\nof its agent.hcl.')
        sys.exit(0)
    handshake = keep_stdout_clean()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the end is the agent's to decide
    threading.Thread(target=follow_lifeline, daemon=True).start()
    log_to_the_agent()
    Plugin(type, version, open, settings, validate).serve(handshake)
    os._exit(0)  # a thread that the author left behind must not keep the process


def keep_stdout_clean():
    """Leave the handshake's channel alone: what is printed goes to the log."""
    handshake = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return handshake


def follow_lifeline():
    """End soon after the agent: the kernel then closes its end of the pipe."""
    fd = os.environ.get(LIFELINE)
    if fd is None:
        return
    while os.read(int(fd), 1):
        pass
    time.sleep(LIFELINE_GRACE)
    os._exit(1)


class LogLine(logging.Formatter):
    """A log record as Go's log/slog writes it."""

    LEVELS = {"WARNING": "WARN", "CRITICAL": "ERROR"}

    def format(self, record):
        level = self.LEVELS.get(record.levelname, record.levelname)
        line = {"level": level, "msg": record.getMessage(), "logger": record.name}
        if record.exc_info:
            line["stack"] = self.formatException(record.exc_info)
        return json.dumps(line)


def log_to_the_agent():
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogLine())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class Plugin:
    """The services of one process. gRPC calls its methods from several threads."""

    def __init__(self, type, version, open, settings, validate):
        self.type, self.version, self.open, self.validate = type, version, open, validate
        self.schema = {"attributes": settings}
        self.sink = None
        self.busy = threading.Lock()  # one call of the author's code at a time
        self.ended = threading.Event()

    def serve(self, handshake):
        import grpc

        # A call that waits for its turn holds a thread; health and shutdown need others.
        server = grpc.server(
            futures.ThreadPoolExecutor(max_workers=16),
            options=[("grpc.max_receive_message_length", MAX_MESSAGE),
                     ("grpc.max_send_message_length", MAX_MESSAGE)])
        server.add_generic_rpc_handlers(self.handlers(grpc))
        key, certificate, der = self_signed()
        agent = os.environ["PLUGIN_CLIENT_CERT"].encode()
        folder = os.environ.get("PLUGIN_UNIX_SOCKET_DIR") or tempfile.gettempdir()
        path = os.path.join(folder, "plugin%d" % os.getpid())
        server.add_secure_port("unix:" + path, grpc.ssl_server_credentials(
            [(key, certificate)], root_certificates=agent, require_client_auth=True))
        server.start()
        encoded = base64.b64encode(der).decode().rstrip("=")
        print(f"1|1|unix|{path}|grpc|{encoded}", file=handshake, flush=True)
        self.ended.wait()
        server.stop(grace=1).wait()

    def handlers(self, grpc):
        def unary(method, request=None):
            """A call with its messages; without a request type, bytes in and out."""
            if request is None:
                return grpc.unary_unary_rpc_method_handler(lambda r, c: method())
            return grpc.unary_unary_rpc_method_handler(
                self.guarded(grpc, method), request_deserializer=request.FromString,
                response_serializer=lambda m: m.SerializeToString())

        services = {
            "agent.plugin.v1.Control": {
                "Describe": unary(self.Describe, plugin_pb2.DescribeRequest),
                "Validate": unary(self.Validate, plugin_pb2.ValidateRequest),
                "Open": unary(self.Open, plugin_pb2.OpenRequest),
                "Close": unary(self.Close, plugin_pb2.CloseRequest),
            },
            "agent.plugin.v1.Sink": {"Write": unary(self.Write, plugin_pb2.WriteRequest)},
            "grpc.health.v1.Health": {"Check": unary(lambda: b"\x08\x01")},  # SERVING
            "plugin.GRPCController": {"Shutdown": unary(self.shutdown)},
            "plugin.GRPCStdio": {"StreamStdio": grpc.unary_stream_rpc_method_handler(self.stdio)},
        }
        return [grpc.method_handlers_generic_handler(n, m) for n, m in services.items()]

    def guarded(self, grpc, method):
        """Turn exceptions into the codes that the agent goes by."""
        codes = {Invalid: grpc.StatusCode.INVALID_ARGUMENT, Denied: grpc.StatusCode.PERMISSION_DENIED}

        def call(request, context):
            try:
                return method(request)
            except Exception as error:
                code = codes.get(error.__class__, grpc.StatusCode.UNKNOWN)
                if code is grpc.StatusCode.UNKNOWN:
                    logging.debug("%s", traceback.format_exc())
                context.abort(code, f"{error}" or error.__class__.__name__)

        return call

    def Describe(self, request):
        return plugin_pb2.DescribeResponse(
            kind="sink", type=self.type, version=self.version, sdk_version="python-1",
            schema=json.dumps(self.schema).encode())

    def Validate(self, request):
        faults = self.faults(request.settings)
        return plugin_pb2.ValidateResponse(faults=[
            plugin_pb2.Fault(path=path, summary=summary, detail=detail)
            for path, summary, detail in faults])

    def faults(self, raw):
        try:
            settings = json.loads(raw)
        except ValueError:
            settings = None
        if not isinstance(settings, dict):
            return [("", "Settings cannot be read", "They are not a JSON object.")]
        faults = check(self.schema["attributes"], settings)
        if not faults and self.validate:
            faults = self.validate(with_defaults(self.schema["attributes"], settings))
        return faults

    def Open(self, request):
        with self.busy:
            if self.sink is not None:
                raise RuntimeError("second call of Open")
            faults = self.faults(request.settings)
            if faults:
                raise Invalid("; ".join(f"{p}: {s}: {d}" for p, s, d in faults))
            os.environ.update(request.environment)
            settings = with_defaults(self.schema["attributes"], json.loads(request.settings))
            self.sink = self.open(settings)
        return plugin_pb2.OpenResponse(parallel=1)

    def Write(self, batch):
        with self.busy:
            if self.sink is None:
                raise RuntimeError("call before Open")
            rejected = self.sink.write(batch) or {}
        return plugin_pb2.WriteResponse(rejected=[
            plugin_pb2.Reject(index=i, reason=reason) for i, reason in rejected.items()])

    def Close(self, request):
        with self.busy:
            sink, self.sink = self.sink, None
            if hasattr(sink, "close"):
                sink.close()
        return plugin_pb2.CloseResponse()

    def shutdown(self):
        self.ended.set()
        return b""

    def stdio(self, request, context):
        """The agent's launcher listens here; the log goes another way."""
        self.ended.wait()
        return iter(())


def check(schema, settings):
    """What is wrong with settings, as (path, summary, detail); sensitive values are
    never told."""
    faults = []
    known = {a["name"]: a for a in schema}
    for name in sorted(set(settings) - set(known)):
        faults.append((name, "Unknown setting", f'"{name}" is not a setting.'))
    for name, a in known.items():
        value = settings.get(name)
        if value is None:
            if a.get("required"):
                faults.append((name, "Missing setting", f'"{name}" is required.'))
        elif not TYPES[a["type"]](value):
            faults.append((name, "Wrong type", f'"{name}" must be a {a["type"]}.'))
        else:
            faults += [(name, "Value not allowed", f'"{name}" must {rule}.') for rule in broken(a, value)]
    return faults + alternatives(schema, settings)


def alternatives(schema, settings):
    """Where not exactly one of several settings is given."""
    groups, faults = {}, []
    for a in schema:
        if "one_of" in a:
            groups.setdefault(a["one_of"], []).append(a["name"])
    for names in groups.values():
        words = ", ".join(f'"{n}"' for n in names)
        given = [n for n in names if settings.get(n) is not None]
        if not given:
            faults.append(("", "Missing setting", f"One of {words} is required here."))
        for name in given[1:]:
            faults.append((name, "Too many settings", f"Exactly one of {words} is required here."))
    return faults


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_whole(value):
    return isinstance(value, int) and not isinstance(value, bool)


TYPES = {
    "string": lambda v: isinstance(v, str),
    "bool": lambda v: isinstance(v, bool),
    "int": is_whole,
    "number": is_number,
    "duration": is_whole,
    "size": is_whole,
    "list(string)": lambda v: isinstance(v, list) and all(isinstance(e, str) for e in v),
    "map(string)": lambda v: isinstance(v, dict) and all(isinstance(e, str) for e in v.values()),
}


def broken(a, value):
    """The rules of attribute a that value breaks, in words."""
    texts = [value]
    if isinstance(value, (list, dict)):
        texts = value if isinstance(value, list) else value.values()
    if "enum" in a and any(t not in a["enum"] for t in texts):
        yield "be one of " + ", ".join(a["enum"])
    if "pattern" in a and any(not re.search(a["pattern"], t) for t in texts):
        yield "match " + a["pattern"]
    amount = value if is_number(value) else len(value) if isinstance(value, (list, dict)) else None
    if amount is None:
        return
    if "min" in a and amount < a["min"]:
        yield f"be at least {a['min']}"
    if "max" in a and amount > a["max"]:
        yield f"be at most {a['max']}"


def with_defaults(schema, settings):
    """The settings with defaults where the file says nothing, None where there is none."""
    full = {a["name"]: a.get("default") for a in schema}
    full.update({k: v for k, v in settings.items() if v is not None})
    return full


def self_signed():
    """A key and certificate for this process, by which the agent knows it."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.utcnow()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(days=365 * 30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256()))
    return (
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                          serialization.NoEncryption()),
        certificate.public_bytes(serialization.Encoding.PEM),
        certificate.public_bytes(serialization.Encoding.DER))
