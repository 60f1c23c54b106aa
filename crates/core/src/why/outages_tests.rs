use super::*;
use crate::model::sample::transition;

const MS: u64 = 1_000_000;

fn followed(transitions: &[(u64, State, State, Cause, Option<u64>)]) -> TimeoutsFollowed {
    let mut timeouts = TimeoutsFollowed::default();
    for (at_ms, from, to, cause, waited_ms) in transitions {
        let mut one = transition(at_ms * MS, *from, *to, *cause);
        one.waited_ns = waited_ms.map(|ms| ms * MS);
        timeouts.note(&one);
    }
    timeouts
}

const RTO: (State, State, Cause) = (State::Open, State::Loss, Cause::Rto);
const AGAIN: (State, State, Cause) = (State::Loss, State::Loss, Cause::RtoRepeat);

fn timeout(
    at_ms: u64,
    (from, to, cause): (State, State, Cause),
    waited_ms: u64,
) -> (u64, State, State, Cause, Option<u64>) {
    (at_ms, from, to, cause, Some(waited_ms))
}

#[test]
fn one_timeout_is_no_outage() {
    let over = (1400, State::Loss, State::Open, Cause::Recovered, None);
    let timeouts = followed(&[timeout(1240, RTO, 240), over]);
    assert_eq!(timeouts.until(9000 * MS, false), Outages::default());
    assert_eq!(followed(&[timeout(1240, RTO, 240)]).until(9000 * MS, false), Outages::default());
}

#[test]
fn two_without_an_answer_are_one_from_what_came_last_on() {
    let over = (2300, State::Loss, State::Recovery, Cause::FastRetransmit, None);
    let two = [timeout(1240, RTO, 240), timeout(1720, AGAIN, 480)];
    let outages = followed(&[&two[..], &[over]].concat()).until(9000 * MS, false);
    assert_eq!((outages.count, outages.total_ns, outages.timeouts), (1, 1300 * MS, 2));
    assert_eq!((outages.longest_from_ns, outages.of_acks, outages.goes_on), (1000 * MS, 0, false));
    let going_on = followed(&two).until(9000 * MS, false);
    assert_eq!((going_on.count, going_on.total_ns, going_on.goes_on), (1, 8000 * MS, true));
}

#[test]
fn that_the_data_had_arrived_shows_by_the_undo() {
    let over = (2300, State::Loss, State::Open, Cause::Undo(None), None);
    let outages = followed(&[timeout(1240, RTO, 240), timeout(1720, AGAIN, 480), over]);
    assert_eq!(outages.until(9000 * MS, false).of_acks, 1);
}
