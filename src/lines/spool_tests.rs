//! What waits, what is dropped, and what is said of it. Not here: receivers.

use jiff::Timestamp;

use super::*;

fn at(second: u64) -> Timestamp {
    Timestamp::from_second(second.cast_signed()).expect("a time")
}

/// So many lines, all of the second of the first one's number.
fn piece(first: u64, count: u64, bytes: usize) -> Piece {
    let lines = Lines { run: 7, first, count, from: at(first), to: at(first + 1) };
    Piece { bytes: vec![b'x'; bytes].into(), lines }
}

#[test]
fn the_oldest_are_dropped_and_the_receiver_is_told_which() {
    let spool = Spool::new("h", 4096);
    let room = 1024 - OVERHEAD;
    (0..7).for_each(|at| spool.push(piece(1 + 10 * at, 10, room)));
    let Some(Order::Write(notice)) = spool.next() else { panic!("nothing") };
    let expected = "{\"type\":\"dropped\",\"time\":\"1970-01-01T00:00:22.000000000Z\",\
        \"from_time\":\"1970-01-01T00:00:01.000000000Z\",\"lines\":30,\"bytes\":";
    let said = String::from_utf8_lossy(&notice.bytes).into_owned();
    assert!(said.starts_with(expected), "{said}");
    assert!(
        said.ends_with(",\"first_line\":1,\"last_line\":30,\"host\":\"h\",\"run\":7}\n"),
        "{said}"
    );
    assert_eq!((spool.counters.dropped(), notice.lines.count), (30, 0));
    spool.is_done_with(&notice);
    for first in [31, 41, 51, 61] {
        let Some(Order::Write(next)) = spool.next() else { panic!("nothing") };
        assert_eq!(next.lines.first, first);
        spool.wrote(next.lines.count);
        spool.is_done_with(&next);
    }
    assert_eq!((spool.counters.written(), spool.lock().bytes), (40, 0));
    spool.close();
    assert_eq!(spool.next(), None);
}

#[test]
fn what_is_being_written_counts_and_is_not_dropped() {
    let spool = Spool::new("h", 2048);
    spool.push(piece(1, 1, 1900 - OVERHEAD));
    let Some(Order::Write(first)) = spool.next() else { panic!("nothing") };
    spool.push(piece(2, 1, 1000));
    assert_eq!(spool.counters.dropped(), 1);
    spool.is_done_with(&first);
    spool.push(piece(3, 1, 1000));
    let Some(Order::Write(notice)) = spool.next() else { panic!("nothing") };
    assert!(notice.bytes.starts_with(b"{\"type\":\"dropped\""));
    let Some(Order::Write(next)) = spool.next() else { panic!("nothing") };
    assert_eq!(next.lines.first, 3);
}

#[test]
fn a_receiver_is_news_when_it_goes_and_when_it_is_back() {
    let spool = Spool::new("h", 2048);
    spool.wrote(0);
    assert_eq!(spool.news(), None);
    spool.away("refused".to_owned(), Duration::ZERO);
    spool.away("reset".to_owned(), Duration::ZERO);
    assert_eq!(spool.news(), Some(Health::Away("reset".to_owned())));
    assert_eq!(spool.news(), None);
    spool.wrote(0);
    assert_eq!(spool.news(), Some(Health::Well));
}

#[test]
fn a_receiver_that_stays_and_takes_nothing_is_news_once() {
    let spool = Spool::new("h", 2048);
    let long_ago = || Instant::now().checked_sub(QUIET).expect("the machine is up for longer");
    spool.lock().taken = long_ago();
    assert_eq!(spool.news(), None);
    spool.push(piece(1, 1, 100));
    assert_eq!(spool.news(), None);
    let Some(Order::Write(piece)) = spool.next() else { panic!("nothing") };
    spool.lock().taken = long_ago();
    assert_eq!(spool.news(), Some(Health::Away("it has taken nothing for 10 s".to_owned())));
    assert_eq!(spool.news(), None);
    spool.wrote(1);
    spool.is_done_with(&piece);
    assert_eq!(spool.news(), Some(Health::Well));
}

#[test]
fn what_nobody_takes_at_the_end_is_counted() {
    let spool = Spool::new("h", 1 << 20);
    (0..3).for_each(|at| spool.push(piece(1 + at, 1, 100)));
    assert!(matches!(spool.next(), Some(Order::Write(_))));
    assert_eq!((spool.finish(), spool.counters.dropped()), (3, 3));
    assert_eq!(spool.next(), None);
}
