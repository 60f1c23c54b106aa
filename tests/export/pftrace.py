"""Reads a Perfetto trace as its importer does, with the classes of the package `perfetto`,
and prints as JSON what is in it; fails where the importer would drop something.
usage: pftrace.py TRACE"""

import json
import sys
from collections import defaultdict

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import (
    BuiltinClock,
    Trace,
    TracePacket,
    TrackEvent,
)

BEGIN, END = TrackEvent.TYPE_SLICE_BEGIN, TrackEvent.TYPE_SLICE_END
INSTANT, COUNTER = TrackEvent.TYPE_INSTANT, TrackEvent.TYPE_COUNTER


def unknown_fields(message, where):
    """That nothing is written under a number that the format does not know."""
    from google.protobuf.unknown_fields import UnknownFieldSet

    assert len(UnknownFieldSet(message)) == 0, f"{where}: fields that are not known"
    for field, value in message.ListFields():
        if field.message_type:
            for one in value if field.is_repeated else [value]:
                unknown_fields(one, f"{where}.{field.name}")


def main(path):
    trace = Trace()
    with open(path, "rb") as file:
        trace.ParseFromString(file.read())
    tracks, events, clocks = {}, [], []
    interned = None
    for packet in trace.packet:
        unknown_fields(packet, "packet")
        assert packet.trusted_packet_sequence_id == 1, packet
        if packet.sequence_flags & TracePacket.SEQ_INCREMENTAL_STATE_CLEARED:
            interned = {"categories": {}, "names": {}, "annotations": {}, "strings": {}}
            clock = packet.trace_packet_defaults.timestamp_clock_id
            assert clock == BuiltinClock.BUILTIN_CLOCK_MONOTONIC, packet
        for into, of in (
            ("categories", packet.interned_data.event_categories),
            ("names", packet.interned_data.event_names),
            ("annotations", packet.interned_data.debug_annotation_names),
        ):
            interned[into].update({one.iid: one.name for one in of})
        of = packet.interned_data.debug_annotation_string_values
        interned["strings"].update({one.iid: one.str.decode() for one in of})
        if packet.HasField("clock_snapshot"):
            shown = {one.clock_id: one.timestamp for one in packet.clock_snapshot.clocks}
            assert packet.clock_snapshot.primary_trace_clock == 3
            clocks.append({"monotonic": shown[3], "realtime": shown[1]})
        elif packet.HasField("track_descriptor"):
            track = packet.track_descriptor
            # A flow's name may be known later; the last description counts.
            before = tracks.get(track.uuid, track)
            assert before.parent_uuid == track.parent_uuid, f"moved: {track}"
            assert not track.parent_uuid or track.parent_uuid in tracks, f"no parent: {track}"
            tracks[track.uuid] = track
        elif packet.HasField("track_event"):
            assert clocks, "an event before the clocks"
            event = packet.track_event
            assert event.track_uuid in tracks, f"an event of no track: {event}"
            events.append((packet.timestamp, decoded(event, packet, interned)))
    # A sort that is stable is what the importer makes.
    events.sort(key=lambda event: event[0])
    print(json.dumps(summary(tracks, events, clocks)))


def decoded(event, packet, interned):
    """The event, with words in place of numbers for words."""
    if event.type in (BEGIN, INSTANT):
        assert packet.sequence_flags & TracePacket.SEQ_NEEDS_INCREMENTAL_STATE, packet
        assert len(event.category_iids) == 1, event
    notes = {}
    for note in event.debug_annotations:
        kind = note.WhichOneof("value")
        value = getattr(note, kind)
        value = interned["strings"][value] if kind == "string_value_iid" else value
        notes[interned["annotations"][note.name_iid]] = value
    return {
        "type": event.type,
        "track": event.track_uuid,
        "name": interned["names"][event.name_iid] if event.name_iid else None,
        "category": interned["categories"][event.category_iids[0]] if event.category_iids else None,
        "value": getattr(event, event.WhichOneof("counter_value_field") or "counter_value"),
        "notes": notes,
    }


def summary(tracks, events, clocks):
    names = {}
    for uuid, track in tracks.items():
        process = track.process
        is_process = track.HasField("process")
        names[uuid] = f"{process.process_name} {process.pid}" if is_process else track.name
    open_slices, out = {}, defaultdict(lambda: {"slices": [], "instants": [], "counters": {}})
    for at, event in events:
        uuid, kind = event["track"], event["type"]
        track = tracks[uuid]
        assert track.HasField("counter") == (kind == COUNTER), event
        if kind == BEGIN:
            assert uuid not in open_slices, f"a slice within another: {at} {event}"
            open_slices[uuid] = (at, event)
        elif kind == END:
            assert uuid in open_slices, f"an end without a beginning: {at} {event}"
            began, begin = open_slices.pop(uuid)
            slice = {"from": began, "to": at, "name": begin["name"], "category": begin["category"]}
            out[uuid]["slices"].append(slice | {"notes": begin["notes"]})
        elif kind == INSTANT:
            one = {"at": at, "name": event["name"], "notes": event["notes"]}
            out[uuid]["instants"].append(one)
        else:
            values = out[track.parent_uuid]["counters"].setdefault(track.name, [])
            values.append([at, event["value"]])
    assert not open_slices, f"slices without an end: {open_slices}"
    described = []
    for uuid, track in tracks.items():
        if track.HasField("counter"):
            assert track.counter.unit_name
            continue
        parent = names.get(track.parent_uuid)
        head = {"name": names[uuid], "parent": parent, "description": track.description}
        described.append(head | out[uuid])
    return {"clocks": clocks, "tracks": described}


main(sys.argv[1])
