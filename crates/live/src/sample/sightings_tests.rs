//! Two looks, and what follows from them.

use super::*;
use crate::sample::answer::tests::{body, changed};
use tcpcong_core::model::PortRange;

const MS: u64 = 1_000_000;
const NETNS: u32 = 77;
/// `INET_DIAG_INFO`.
const INFO: u16 = 2;

fn wanted() -> Wanted {
    let selection = Selection::ALL;
    Wanted { selection, figures: false, tick_ns: 4 * MS, cookies_are_unique: true }
}

/// A socket in this state, after so many timeouts in a row.
fn socket(state: State, retransmits: u8) -> Vec<u8> {
    changed(&body("lossy"), INFO, |info| {
        info[1] = state as u8;
        info[2] = retransmits;
    })
}

/// Looks at one namespace.
struct Looking {
    sightings: Sightings,
    wanted: Wanted,
    inodes: OpenInodes,
}

impl Looking {
    fn new(since_ns: Option<u64>) -> Self {
        let sightings = Sightings::new(NETNS, since_ns);
        Self { sightings, wanted: wanted(), inodes: OpenInodes::default() }
    }

    /// Sees these sockets from then on for a millisecond, and nothing else is there but
    /// what `is_there`.
    fn look(&mut self, at_ms: u64, seen: &[&[u8]], is_there: bool) -> Vec<(u64, u64, Kind)> {
        let mut entries = Vec::new();
        let looked = Looked { from_ns: at_ms * MS, to_ns: (at_ms + 1) * MS };
        self.sightings.begin();
        for body in seen {
            let sighting = Sighting::decode(body).expect("a socket");
            let how = (&self.wanted, false);
            self.sightings.see(&sighting, looked, how, &self.inodes, &mut entries);
        }
        let Self { sightings, wanted, inodes } = self;
        sightings.end(looked, wanted, inodes, &mut |_| is_there, &mut entries);
        let entries = entries.into_iter().map(|entry| match entry.body {
            Body::Socket(event) => (entry.at_ns, event.within_ns, event.kind),
            other => panic!("{other:?}"),
        });
        entries.collect()
    }
}

fn to(from: State, to: State) -> Kind {
    Kind::Transition { from, to, place: Place::Unknown }
}

#[test]
fn what_is_there_at_the_start_is_seen_and_what_comes_later_is_born_in_between() {
    let (open, other) = (socket(State::Open, 0), body("mapped"));
    let mut looking = Looking::new(None);
    let seen = Kind::Seen { state: State::Open, unlocked: false };
    assert_eq!(looking.look(100, &[&open], true), [(101 * MS, 0, seen)]);
    let born = Kind::Birth { state: State::Open };
    let within_ns = 101 * MS;
    assert_eq!(looking.look(200, &[&open, &other], true), [(150_500_000, within_ns, born)]);
    // A namespace that was not there at the start has none from before.
    let mut looking = Looking::new(Some(50 * MS));
    assert_eq!(looking.look(99, &[&open], true), [(75 * MS, 50 * MS, born)]);
}

#[test]
fn a_change_is_made_halfway_between_two_looks_and_uncertain_by_their_distance() {
    let mut looking = Looking::new(None);
    looking.look(100, &[&socket(State::Open, 0)], true);
    assert_eq!(looking.look(200, &[&socket(State::Open, 0)], true), []);
    let found = looking.look(300, &[&socket(State::Recovery, 0)], true);
    assert_eq!(found, [(250_500_000, 101 * MS, to(State::Open, State::Recovery))]);
}

#[test]
fn timeouts_in_a_row_are_counted_as_far_as_they_are_certain() {
    let mut looking = Looking::new(None);
    let mut look = |at_ms, state, retransmits| {
        let found = looking.look(at_ms, &[&socket(state, retransmits)], true);
        found.into_iter().map(|(_, within_ns, kind)| (within_ns > 0, kind)).collect::<Vec<_>>()
    };
    look(0, State::Open, 0);
    let (entered, again) = (to(State::Open, State::Loss), to(State::Loss, State::Loss));
    // The first entered Loss, the two others set it again.
    assert_eq!(look(100, State::Loss, 3), [(true, entered), (false, again), (false, again)]);
    assert_eq!(look(200, State::Loss, 3), []);
    assert_eq!(look(300, State::Loss, 4), [(false, again)]);
    // Something was acknowledged meanwhile; what came since may be one row or two.
    assert_eq!(look(400, State::Loss, 1), []);
    assert_eq!(look(500, State::Loss, 0), []);
    assert_eq!(look(600, State::Loss, 1), [], "it may have entered Loss anew");
    // Timeouts of a socket that is out of Loss by now were some, and nobody knows when.
    assert_eq!(look(700, State::Open, 0), [(true, to(State::Loss, State::Open))]);
}

#[test]
fn a_socket_is_gone_when_the_kernel_does_not_find_it_any_more() {
    let open = socket(State::Open, 0);
    let mut looking = Looking::new(None);
    looking.look(100, &[&open], true);
    assert_eq!(looking.look(200, &[], true), [], "the list passed it by");
    let ended = Kind::End { state: State::Open };
    assert_eq!(looking.look(300, &[], false), [(200_500_000, 201 * MS, ended)]);
    assert_eq!(looking.look(400, &[], false), []);
}

#[test]
fn a_socket_that_was_connected_anew_is_another_flow() {
    let open = socket(State::Open, 0);
    let mut elsewhere = open.clone();
    // Its remote port.
    elsewhere[6..8].copy_from_slice(&[1, 2]);
    let mut looking = Looking::new(None);
    looking.look(100, &[&open], true);
    let kinds: Vec<_> =
        looking.look(200, &[&elsewhere], true).into_iter().map(|one| one.2).collect();
    let state = State::Open;
    assert_eq!(kinds, [Kind::End { state }, Kind::Birth { state }]);
}

#[test]
fn what_is_not_asked_for_is_not_told() {
    let mut looking = Looking::new(None);
    looking.wanted.selection.rports = PortRange { first: 443, last: 443 };
    assert_eq!(looking.look(100, &[&socket(State::Loss, 1)], true), []);
    assert_eq!(looking.look(200, &[], false), []);
}

#[test]
fn cwr_is_by_ecn_where_marks_have_come() {
    let marked = |state: State, marks: u32| {
        changed(&socket(state, 0), INFO, |info| {
            info[196..200].copy_from_slice(&marks.to_ne_bytes());
        })
    };
    let mut looking = Looking::new(None);
    looking.look(0, &[&marked(State::Open, 5)], true);
    let found = looking.look(100, &[&marked(State::Cwr, 6)], true);
    let (from, to, place) = (State::Open, State::Cwr, Place::FastretransAlert);
    assert_eq!(found[0].2, Kind::Transition { from, to, place });
}
