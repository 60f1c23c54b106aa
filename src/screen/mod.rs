//! The live screen of `tcpcong top`: a sink that hands intervals to a thread of its own,
//! which draws them and heeds keys. Not here: where intervals come from.

mod app;
mod columns;
mod draw;
mod history;
mod keys;
mod list;
mod terminal;
mod theme;

use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, poll};

use tcpcong_core::model::{By, Report, Start, Summary};
use tcpcong_core::session::Backlog;
use tcpcong_core::sink::{Output, Sink};

use app::{App, Next};
use list::Wishes;

pub use keys::{Bindings, configured};
pub use list::is_condition;
pub use theme::Theme;

/// What the screen begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// Keys and colours.
    pub look: (Bindings, Theme),
    /// From one interval to the next.
    pub interval: Duration,
    /// Quiet flows too.
    pub all: bool,
    /// What flows are put together by.
    pub by: Option<By>,
    /// Which are listed: those that have these words.
    pub filter: String,
    /// A recording is shown.
    pub is_replay: bool,
}

/// What comes to the screen's thread.
enum Message {
    Interval(Box<Report>),
    Ended,
    /// A person has done something.
    Input(ratatui::crossterm::event::Event),
    /// It is to end now.
    Close,
}

/// Hands everything to the screen.
pub struct ScreenView {
    setup: Option<Setup>,
    screen: Option<Screen>,
    interval: Arc<AtomicU64>,
    /// What is written there ends the run.
    ender: UnixStream,
    queued: Queued,
}

/// How many intervals were handed over that are not drawn yet.
#[derive(Debug, Clone, Default)]
pub struct Queued(Arc<AtomicUsize>);

/// More wait where the terminal takes nothing, or too little.
impl Backlog for Queued {
    fn is_behind(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= QUEUED_MOST
    }
}

/// So many are enough to draw on.
const QUEUED_MOST: usize = 2;
/// A terminal that has taken nothing for so long does not hold up the end, milliseconds.
const PATIENCE_MS: u16 = 500;

/// The thread that has the terminal.
struct Screen {
    to: Sender<Message>,
    thread: JoinHandle<io::Result<()>>,
    /// Can be read when the thread is over.
    over: UnixStream,
}

impl ScreenView {
    /// One that opens when the run has started.
    #[must_use]
    pub fn new(setup: Setup, ender: UnixStream) -> Self {
        let interval = Arc::new(AtomicU64::new(milliseconds(setup.interval)));
        Self { setup: Some(setup), screen: None, interval, ender, queued: Queued::default() }
    }

    /// Can be read when the person has quit; nothing before it has opened.
    #[must_use]
    pub fn over(&self) -> Option<BorrowedFd<'_>> {
        self.screen.as_ref().map(|screen| screen.over.as_fd())
    }

    /// Tells whether the screen keeps up.
    #[must_use]
    pub fn queued(&self) -> Queued {
        self.queued.clone()
    }

    /// Closes it, if the person has not.
    pub fn close(&mut self) -> io::Result<()> {
        let Some(Screen { to, thread, over }) = self.screen.take() else { return Ok(()) };
        // It may be over already.
        _ = to.send(Message::Close);
        let mut is_over = [PollFd::new(over.as_fd(), PollFlags::POLLIN)];
        if poll(&mut is_over, PATIENCE_MS)? == 0 {
            return terminal::abandon();
        }
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the screen's thread has panicked")))
    }

    fn send(&self, message: Message) {
        if let Some(screen) = &self.screen {
            // Where it is over the run ends soon.
            _ = screen.to.send(message);
        }
    }
}

impl Drop for ScreenView {
    fn drop(&mut self) {
        _ = self.close();
    }
}

impl Sink for ScreenView {
    fn started(&mut self, start: &Start, _: &mut Output<'_>) -> io::Result<()> {
        let Some(Setup { look, interval, all, by, filter, is_replay }) = self.setup.take() else {
            return Ok(());
        };
        let wishes = Wishes { filter, by, all, ..Wishes::default() };
        let mut app = App::new(look, interval, wishes);
        (app.start, app.is_replay) = (Some(start.clone()), is_replay);
        let wishes = (Arc::clone(&self.interval), self.queued.clone());
        self.screen = Some(open(app, wishes, self.ender.try_clone()?)?);
        Ok(())
    }

    fn interval(&mut self, report: &Report, _: &mut Output<'_>) -> io::Result<()> {
        self.queued.0.fetch_add(1, Ordering::Relaxed);
        self.send(Message::Interval(Box::new(report.clone())));
        Ok(())
    }

    fn interval_wanted(&self) -> Option<Duration> {
        Some(Duration::from_millis(self.interval.load(Ordering::Relaxed)))
    }

    fn ended(&mut self, _: &Start, _: &Summary, _: &mut Output<'_>) -> io::Result<()> {
        self.send(Message::Ended);
        Ok(())
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Takes the terminal, and starts the threads.
fn open(app: App, shared: (Arc<AtomicU64>, Queued), mut ender: UnixStream) -> io::Result<Screen> {
    let terminal = terminal::Screen::enter()?;
    let (to, messages) = channel();
    let (over, done) = UnixStream::pair()?;
    let thread = thread::Builder::new().name("screen".to_owned()).spawn(move || {
        let _done = done;
        tcpcong_live::leave_signals_to_others();
        let outcome = run(app, terminal, &messages, &shared);
        // Also after an error: nobody sees anything any more.
        _ = ender.write_all(&[0]);
        outcome
    })?;
    let inputs = to.clone();
    // It waits for a key for ever: the end of the process is its end.
    thread::Builder::new().name("keys".to_owned()).spawn(move || {
        tcpcong_live::leave_signals_to_others();
        while let Ok(event) = ratatui::crossterm::event::read() {
            if inputs.send(Message::Input(event)).is_err() {
                break;
            }
        }
    })?;
    Ok(Screen { to, thread, over })
}

/// Draws, until somebody quits.
fn run(
    mut app: App,
    mut terminal: terminal::Screen,
    messages: &Receiver<Message>,
    (interval, queued): &(Arc<AtomicU64>, Queued),
) -> io::Result<()> {
    loop {
        terminal.draw(&mut app)?;
        // Whatever has come by now is drawn together.
        let mut waits = Duration::MAX;
        loop {
            let message = match messages.recv_timeout(waits) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            waits = Duration::ZERO;
            match message {
                Message::Interval(report) => {
                    app.add(*report);
                    queued.0.fetch_sub(1, Ordering::Relaxed);
                    // The next one waits until this one was drawn.
                    break;
                }
                Message::Ended => app.has_ended = true,
                Message::Close => return Ok(()),
                Message::Input(event) => match app.on_event(&event) {
                    Next::GoOn => interval.store(milliseconds(app.interval), Ordering::Relaxed),
                    Next::Quit { leave } => return terminal.leave(leave),
                },
            }
        }
    }
}

#[cfg(test)]
pub(crate) use tests::DrawnView;

#[cfg(test)]
mod tests;
