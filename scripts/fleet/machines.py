"""Machines that are not there: what `tcpcong serve` would say on each, for a Prometheus that
is to be measured (docs/fleet.md). Each look at a machine is STEP seconds after the last one,
whenever it comes. Not for anything that asks whether the service is right.

usage: machines.py PORT STEP [GROUPS]
  http://127.0.0.1:PORT/N/metrics is machine N; GROUPS values of the label `unit`.
"""

import math
import random
import struct
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, STEP = int(sys.argv[1]), float(sys.argv[2])
GROUPS = int(sys.argv[3]) if len(sys.argv) > 3 else 0
STATES = ["open", "disorder", "cwr", "recovery", "loss"]
# From, to, cause, and how often in a thousand transitions.
TRANSITIONS = [
    ("open", "disorder", "reordering", 320), ("disorder", "open", "recovered", 210),
    ("disorder", "recovery", "fast-retransmit", 90), ("disorder", "recovery", "rack-timer", 15),
    ("open", "recovery", "fast-retransmit", 60), ("open", "recovery", "rack-timer", 8),
    ("recovery", "open", "recovered", 130), ("recovery", "open", "undo", 12),
    ("recovery", "disorder", "undo", 3), ("open", "loss", "rto", 30),
    ("open", "loss", "syn-timeout", 6), ("disorder", "loss", "rto", 8),
    ("recovery", "loss", "rto", 12), ("loss", "loss", "rto-repeat", 14),
    ("loss", "open", "recovered", 40), ("loss", "open", "undo", 9),
    ("open", "cwr", "tlp", 12), ("open", "cwr", "ecn", 3), ("open", "cwr", "local-drop", 1),
    ("cwr", "open", "recovered", 14), ("cwr", "recovery", "fast-retransmit", 2),
    ("loss", "recovery", "recovered", 1),
]
UNDONE = [("recovery", "dsack"), ("recovery", "timestamps"), ("loss", "timestamps"),
          ("loss", "f-rto"), ("loss", "unknown")]
# Of every state: the middle of its spells' lengths in seconds, and their spread (lognormal).
SPELLS = {"open": (0.4, 2.2), "disorder": (0.004, 1.4), "cwr": (0.03, 0.9),
          "recovery": (0.03, 1.1), "loss": (0.35, 1.2)}
BOUNDS = [2.0 ** n for n in range(-17, 7)]  # 7.6 us to 64 s
SCHEMA = 3  # eight buckets to a power of two


def poisson(mean):
    if mean > 50:
        return max(0, round(random.gauss(mean, math.sqrt(mean))))
    count, left = 0, math.exp(-mean)
    product = random.random()
    while product > left:
        count, product = count + 1, product * random.random()
    return count


def exact(seconds):
    """As the service has it: a whole number of nanoseconds."""
    return round(seconds * 1e9) / 1e9


class Group:
    """The first and the third table, of one value of the label."""

    def __init__(self, machine, weight):
        self.flows = max(1, round(machine.flows * weight))
        self.busy = 0.02 + random.random() * 0.2
        self.per_second = machine.per_second * weight
        self.count = {}
        self.now = dict.fromkeys(STATES, 0)

    def add(self, name, labels, value):
        key = (name, labels)
        self.count[key] = self.count.get(key, 0) + value

    def step(self, machine):
        load = machine.load
        begun = poisson(self.flows * 0.02 * STEP * load)
        self.add("flows_started_total", (), begun)
        self.add("flows_ended_total", (), begun)
        lost_time = dict.fromkeys(STATES, 0.0)
        timeouts = repeated = 0
        for start, end, cause, share in TRANSITIONS:
            count = poisson(self.per_second * STEP * load * share / 1000)
            self.add("transitions_total", (("from", start), ("to", end), ("cause", cause)), count)
            for _ in range(min(count, 300)):
                middle, spread = SPELLS[start]
                length = random.lognormvariate(math.log(middle), spread)
                machine.spell(start, length)
                lost_time[start] += length if start != "open" else 0
            timeouts += count if end == "loss" else 0
            repeated += count if cause == "rto-repeat" else 0
            if cause == "undo":
                for _ in range(count):
                    self.add("undone_total", ("f", random.randrange(len(UNDONE))), 1)
        for index in range(len(UNDONE)):
            self.add("undone_total", ("f", index), 0)
        self.add("rtos_total", (), timeouts)
        self.add("repeated_rtos_total", (), repeated)
        for state, share in (("open", 0.7), ("disorder", 0.1), ("cwr", 0), ("recovery", 0.1), ("loss", 0.1)):
            waits = sum(exact(random.expovariate(4)) for _ in range(round(timeouts * share)))
            self.add("waited_seconds_total", (("state", state),), waits)
        lost_time["open"] = max(0.0, self.flows * STEP - sum(lost_time.values()))
        for state in STATES:
            self.add("state_seconds_total", (("state", state),), exact(lost_time[state]))
            self.now[state] = poisson(lost_time[state] / STEP) if state != "open" else self.flows
        self.add("uncertain_seconds_total", (), 0)
        busy = self.flows * self.busy * STEP * load * random.uniform(0.8, 1.2)
        self.add("busy_seconds_total", (), round(busy, 3))  # a jiffy, 1 ms to 4 ms
        self.add("limited_seconds_total", (("limit", "rwnd"),), round(busy * 0.02, 3))
        self.add("limited_seconds_total", (("limit", "sndbuf"),), 0)
        segments = round(busy * 400)
        for state, share in (("open", 0.97), ("disorder", 0.01), ("cwr", 0.002), ("recovery", 0.015), ("loss", 0.003)):
            self.add("delivered_segments_total", (("state", state),), poisson(segments * share))
            again = {"recovery": 0.006, "loss": 0.002, "open": 0.0005}.get(state, 0)
            self.add("retransmitted_segments_total", (("state", state),), poisson(segments * again))
        self.add("acked_bytes_total", (), segments * random.randrange(900, 1448))
        self.add("received_bytes_total", (), segments * random.randrange(100, 700))
        self.add("ce_segments_total", (), 0)
        self.add("dsack_segments_total", (), poisson(segments * 0.0004))
        self.add("overtaken_segments_total", (), poisson(segments * 0.0006))
        self.add("out_of_order_segments_total", (), poisson(segments * 0.002))


class Machine:
    def __init__(self, number):
        random.seed(number)
        self.time = 1.8e9
        self.cpu = 0.0
        self.flows = round(10 ** random.uniform(2, 3.5))
        self.per_second = 10 ** random.uniform(-1, 1.7)
        self.load = 1.0
        self.spells = {state: [0, 0.0, {}, [0] * len(BOUNDS)] for state in STATES}
        weights = [1 / (n + 1) for n in range(GROUPS)] or [1]
        names = [f"service-{n}.service" for n in range(GROUPS)] or [None]
        self.groups = {name: Group(self, weight / sum(weights)) for name, weight in zip(names, weights)}

    def spell(self, state, length):
        of = self.spells[state]
        of[0] += 1
        of[1] += exact(length)
        bucket = math.ceil(math.log2(length) * 2 ** SCHEMA)
        of[2][bucket] = of[2].get(bucket, 0) + 1
        for index, bound in enumerate(BOUNDS):
            if length <= bound:
                of[3][index] += 1
                break

    def step(self):
        self.time += STEP
        self.load = 1 + 0.5 * math.sin(self.time / 86400 * 2 * math.pi) * random.uniform(0.8, 1.2)
        for group in self.groups.values():
            group.step(self)
        self.cpu += 0.01 * random.uniform(0.5, 2)

    def series(self):
        """Name, kind, labels, value, but for the histogram."""
        for name, group in self.groups.items():
            own = (("unit", name),) if name else ()
            for state, count in group.now.items():
                yield "tcpcong_flows", "gauge", own + (("state", state),), count
            for (metric, labels), value in group.count.items():
                if labels and labels[0] == "f":
                    labels = tuple(zip(("from", "how"), UNDONE[labels[1]]))
                yield f"tcpcong_{metric}", "counter", own + labels, exact(value) if "seconds" in metric else value
        for state in STATES:
            yield ("tcpcong_longest_ongoing_spell_seconds", "gauge", (("state", state),),
                   exact(random.expovariate(1)) if self.per_second > 1 else 0)
        yield "tcpcong_exact", "gauge", (), 1
        for name in ("estimated", "namespaces_unreached", "limitations"):
            yield f"tcpcong_{name}", "gauge", (), 0
        for name in ("flows_refused", "births_missed", "ends_missed", "transitions_missed", "events_unaccounted",
                     "rows_lost", "recursion_misses", "calls_lost", "entries_dropped", "gaps", "gap_seconds"):
            yield f"tcpcong_{name}_total", "counter", (), 0
        yield "tcpcong_build_info", "gauge", (("version", "0.1.0"),), 1
        yield "tcpcong_attach_info", "gauge", (("attach", "tracepoint:btf"), ("kernel", "6.12.0")), 1
        yield "tcpcong_updated_timestamp_seconds", "gauge", (), exact(self.time + random.uniform(-1, 0))
        if GROUPS:
            yield "tcpcong_groups", "gauge", (("key", "unit"),), GROUPS
            yield "tcpcong_groups_limit", "gauge", (("key", "unit"),), 100
            yield "tcpcong_flows_in_other_total", "counter", (("key", "unit"),), 0
        yield "tcpcong_log_size_bytes", "gauge", (), 8388608
        yield "tcpcong_log_fill_ratio", "gauge", (), random.randrange(1, 30) / 8192
        yield "tcpcong_bpf_run_seconds_total", "counter", (), 0
        yield "tcpcong_bpf_runs_total", "counter", (), 0
        yield "tcpcong_http_requests_total", "counter", (("code", "200"),), round((self.time - 1.8e9) / STEP)
        for reason in ("limit", "slow", "tls"):
            yield "tcpcong_http_connections_rejected_total", "counter", (("reason", reason),), 0
        for result in ("sent", "failed", "dropped"):
            yield "tcpcong_otlp_exports_total", "counter", (("result", result),), 0
        yield "tcpcong_lines_written_total", "counter", (), 0
        yield "tcpcong_lines_dropped_total", "counter", (), 0
        yield "process_cpu_seconds_total", "counter", (), round(self.cpu, 2)
        yield "process_resident_memory_bytes", "gauge", (), 4096 * random.randrange(7000, 7040)
        yield "process_open_fds", "gauge", (), 61
        yield "process_start_time_seconds", "gauge", (), 1.8e9

    def text(self):
        lines, named = [], set()
        for name, kind, labels, value in sorted(self.series(), key=lambda row: row[0]):
            if name not in named:
                named.add(name)
                lines.append(f"# TYPE {name} {kind}")
            inside = ",".join(f'{key}="{value}"' for key, value in labels)
            lines.append(f"{name}{{{inside}}} {value!r}" if inside else f"{name} {value!r}")
        lines.append("# TYPE tcpcong_spell_seconds histogram")
        for state, (count, total, _, buckets) in self.spells.items():
            below = 0
            for bound, here in zip(BOUNDS, buckets):
                below += here
                lines.append(f'tcpcong_spell_seconds_bucket{{state="{state}",le="{bound!r}"}} {below}')
            lines.append(f'tcpcong_spell_seconds_bucket{{state="{state}",le="+Inf"}} {count}')
            lines.append(f'tcpcong_spell_seconds_sum{{state="{state}"}} {exact(total)!r}')
            lines.append(f'tcpcong_spell_seconds_count{{state="{state}"}} {count}')
        return ("\n".join(lines) + "\n").encode()

    def protobuf(self):
        """io.prometheus.client.MetricFamily, each behind its length."""
        families = {}
        for name, kind, labels, value in self.series():
            place, metric = (3, {"counter": 0}.get(kind)) if kind == "counter" else (2, 1)
            body = b"".join(field(1, label(*pair)) for pair in labels) + field(place, double(1, float(value)))
            families.setdefault((name, metric), []).append(body)
        for state, (count, total, native, buckets) in self.spells.items():
            body = varint_field(1, count) + double(2, exact(total))
            below = 0
            for bound, here in zip(BOUNDS, buckets):
                below += here
                body += field(3, varint_field(1, below) + double(2, bound))
            body += varint_field(5, zigzag(SCHEMA)) + double(6, 1e-9) + varint_field(7, 0)
            before, last, spans, deltas = None, 0, [], []
            for index in sorted(native):
                if before is not None and index == before + 1:
                    spans[-1][1] += 1
                else:
                    spans.append([index if before is None else index - before - 1, 1])
                deltas.append(native[index] - last)
                before, last = index, native[index]
            for offset, length in spans:
                body += field(12, varint_field(1, zigzag(offset)) + varint_field(2, length))
            body += b"".join(varint_field(13, zigzag(delta)) for delta in deltas)
            one = field(1, label("state", state)) + field(7, body)
            families.setdefault(("tcpcong_spell_seconds", 4), []).append(one)
        out = b""
        for (name, kind), metrics in families.items():
            body = field(1, name.encode()) + varint_field(3, kind) + b"".join(field(4, one) for one in metrics)
            out += varint(len(body)) + body
        return out


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def zigzag(value):
    return value * 2 if value >= 0 else -value * 2 - 1


def varint_field(number, value):
    return varint(number << 3) + varint(value)


def double(number, value):
    return varint(number << 3 | 1) + struct.pack("<d", value)


def field(number, body):
    return varint(number << 3 | 2) + varint(len(body)) + body


def label(name, value):
    return field(1, name.encode()) + field(2, value.encode())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        number = int(self.path.split("/")[1])
        if number not in MACHINES:
            MACHINES[number] = Machine(number)
        machine = MACHINES[number]
        machine.step()
        binary = "application/vnd.google.protobuf" in self.headers.get("Accept", "")
        body = machine.protobuf() if binary else machine.text()
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.google.protobuf; "
                         "proto=io.prometheus.client.MetricFamily; encoding=delimited"
                         if binary else "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except ConnectionError:
            pass  # It did not wait: the look is missing.

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True

    def handle_error(self, *_):
        pass


MACHINES = {}
Server(("127.0.0.1", PORT), Handler).serve_forever()
