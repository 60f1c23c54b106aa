//! The two ends of one connection at work, on whatever lies between their namespaces.
//! Not the path: a case has one in user space, and tests lay theirs.

use std::net::TcpStream;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::StageError;
pub use super::ends::{Dial, Reads, Receiver, Sender, Sends};
use crate::path::stop::{self, StopSignal, Stopper};

/// A handshake takes a round trip; so long it takes only if something is in the way.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Two ends, until they are dropped; then their connection is reset.
pub struct Pair {
    dial: Dial,
    sender: Sender,
    receiver: Receiver,
    stop: StopSignal,
    /// Taken by the drop.
    stopper: Option<Stopper>,
    threads: Vec<JoinHandle<()>>,
    /// Heard from when the far end has accepted.
    accepted: Option<mpsc::Receiver<()>>,
    /// Connected, and nothing written yet.
    idle: Option<TcpStream>,
}

impl Pair {
    /// The two of them; nothing happens yet.
    pub fn new(dial: Dial, sender: Sender, receiver: Receiver) -> Result<Self, StageError> {
        let (stopper, stop) = stop::stop_pair()
            .map_err(|error| StageError::refused("make a pipe for the ends' threads", error))?;
        let (stopper, threads) = (Some(stopper), Vec::new());
        Ok(Self { dial, sender, receiver, stop, stopper, threads, accepted: None, idle: None })
    }

    /// How often the near end is to try to connect, where it is to do no more.
    #[must_use]
    pub fn attempts(&self) -> Option<Duration> {
        match self.sender.sends {
            Sends::Attempts { every } => Some(every),
            _ => None,
        }
    }

    /// To be called in the far end's namespace: listens, and reads what comes.
    pub fn listen(&mut self) -> Result<(), StageError> {
        let receiver = self.receiver;
        if matches!(receiver.reads, Reads::Nobody) {
            return Ok(());
        }
        let listener = receiver.listen(&self.dial)?;
        let (accepted, has_accepted) = mpsc::channel();
        self.accepted = Some(has_accepted);
        let stop = self.stop.clone();
        self.spawn("case-receiver", move || receiver.serve(&listener, &accepted, &stop))
    }

    /// To be called in the near end's namespace: tries to connect, again and again.
    pub fn attempt(&mut self, every: Duration) -> Result<(), StageError> {
        let (sender, dial, stop) = (self.sender, self.dial.clone(), self.stop.clone());
        self.spawn("case-sender", move || sender.attempt(&dial, every, &stop))
    }

    /// To be called in the near end's namespace: connects, and writes nothing yet. Returns
    /// when the far end has accepted.
    pub fn connect(&mut self) -> Result<(), StageError> {
        self.idle = Some(self.sender.connect(&self.dial, CONNECT_TIMEOUT)?);
        let heard = self.accepted.as_ref().map(|accepted| accepted.recv_timeout(CONNECT_TIMEOUT));
        match heard {
            Some(Ok(())) => Ok(()),
            _ => Err(StageError::NoConnection { waited: CONNECT_TIMEOUT }),
        }
    }

    /// To be called in the near end's namespace, which only a thread in it shows to others:
    /// begins to write, where it is connected.
    pub fn write(&mut self) -> Result<(), StageError> {
        let Some(stream) = self.idle.take() else { return Ok(()) };
        let (sender, stop) = (self.sender, self.stop.clone());
        self.spawn("case-sender", move || sender.write(stream, &stop))
    }

    /// A thread has the namespace of the one that starts it.
    fn spawn(
        &mut self,
        name: &str,
        body: impl FnOnce() + Send + 'static,
    ) -> Result<(), StageError> {
        let thread = thread::Builder::new().name(name.to_owned()).spawn(body);
        let refused = |error| StageError::refused("start a thread", error);
        self.threads.push(thread.map_err(refused)?);
        Ok(())
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        drop(self.stopper.take());
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so; there is nothing to add.
            let _ = thread.join();
        }
    }
}
