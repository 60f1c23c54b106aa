//! What the scenes of verdicts are made of: connections that send all they can, and ones beside
//! them that nothing holds up. Not what the verdicts ought to be: the tests know that.

use std::time::Duration;

use anyhow::Result;

use super::lab::Lab;
use super::server::{Counts, Server};
use super::traffic::{Amount, Dial, Sender};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// Bytes a second that no place here is too tight for.
pub(crate) const CALM: u32 = 250_000;

pub(crate) fn listen(lab: &Lab) -> Result<Server> {
    Server::listen(&lab.server, (lab.server_v4(), 0).into())
}

pub(crate) fn until_read(server: &Server, bytes: u64) -> Result<()> {
    let enough = |counts: &Counts| counts.read_bytes > bytes;
    server.wait_until(30 * SECOND, enough).map(drop)
}

pub(crate) fn cubic(server: &Server) -> Dial {
    Dial::to(server.address()).congestion_control("cubic")
}

pub(crate) fn start(lab: &Lab, dial: &Dial) -> Result<Sender> {
    Sender::start(&lab.client, dial, Amount::UntilStopped)
}

/// A connection that nothing holds up: it sends less than the path carries.
pub(crate) fn start_calm(lab: &Lab, server: &Server) -> Result<Sender> {
    start(lab, &cubic(server).paced(CALM))
}

/// The same within the server: neither data nor acknowledgements meet a tight place.
pub(crate) fn start_calm_aside(lab: &Lab) -> Result<(Server, Sender)> {
    let server = listen(lab)?;
    let sender = Sender::start(&lab.server, &cubic(&server).paced(CALM), Amount::UntilStopped)?;
    Ok((server, sender))
}

/// The same from the server to the client, where data meets no tight place.
pub(crate) fn start_calm_back(lab: &Lab) -> Result<(Server, Sender)> {
    let server = Server::listen(&lab.client, (lab.client_v4(), 0).into())?;
    let sender = Sender::start(&lab.server, &cubic(&server).paced(CALM), Amount::UntilStopped)?;
    Ok((server, sender))
}

/// Has no two segments of the client travel as one packet.
pub(crate) fn one_segment_at_a_time(lab: &Lab) -> Result<()> {
    lab.client.run("ip", &["link", "set", "c0", "gso_max_segs", "1"]).map(drop)
}
