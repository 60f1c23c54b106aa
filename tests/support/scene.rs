//! Traffic of which a recording is worth making. Not here: recordings.

use std::time::Duration;

use anyhow::Result;

use super::lab::Lab;
use super::server::Server;
use super::tool::pause;
use super::traffic::{Amount, Dial, Ending, Sender};

/// Eight flows through a tight router; some end meanwhile, and others begin.
pub(crate) struct Scene {
    pub(crate) lab: Lab,
    pub(crate) server: Server,
}

impl Scene {
    pub(crate) fn set(name: &str) -> Result<Self> {
        let lab = Lab::new(name)?;
        lab.bottleneck("100mbit", "32k", "60k")?;
        let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
        Ok(Self { lab, server })
    }

    /// Sends for so many seconds.
    pub(crate) fn send(&self, seconds: f64) -> Result<()> {
        let start = |at: usize| {
            let cc = if at.is_multiple_of(2) { "cubic" } else { "reno" };
            let dial = Dial::to(self.server.address()).congestion_control(cc);
            Sender::start(&self.lab.client, &dial, Amount::UntilStopped)
        };
        let before = (0..4).map(start).collect::<Result<Vec<_>>>()?;
        pause(Duration::from_secs_f64(seconds / 2.0));
        let after = (4..8).map(start).collect::<Result<Vec<_>>>()?;
        for sender in before {
            sender.stop(Ending::Reset)?;
        }
        pause(Duration::from_secs_f64(seconds / 2.0));
        for sender in after {
            sender.stop(Ending::Reset)?;
        }
        Ok(())
    }

    /// Of the server.
    pub(crate) fn port(&self) -> String {
        self.server.address().port().to_string()
    }
}
