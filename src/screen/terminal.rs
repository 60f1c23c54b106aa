//! The terminal: taken, drawn on, and given back as it was, whatever ends the program but
//! SIGKILL, and a second signal while it takes nothing. Not here: what is drawn.

use std::io::{self, Stdout, Write as _, stdout};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use super::app::App;
use super::draw::draw;

/// The terminal was taken and not given back.
static IS_OURS: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    /// What was drawn last.
    last: Option<Buffer>,
}

impl Screen {
    /// Takes it. A panic gives it back before its message is printed.
    pub(super) fn enter() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let usual = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                _ = give_back();
                usual(info);
            }));
        });
        enable_raw_mode()?;
        IS_OURS.store(true, Ordering::Relaxed);
        let screen = Terminal::new(CrosstermBackend::new(stdout()))
            .map(|terminal| Self { terminal, last: None });
        // From here on `Drop` gives it back.
        let screen = screen.inspect_err(|_| _ = give_back())?;
        execute!(stdout(), EnterAlternateScreen, EnableMouseCapture)?;
        Ok(screen)
    }

    pub(super) fn draw(&mut self, app: &mut App) -> io::Result<()> {
        let drawn = self.terminal.draw(|frame| draw(app, frame))?;
        self.last = Some(drawn.buffer.clone());
        Ok(())
    }

    /// Gives it back. With `leave` what it shows stays, as text.
    pub(super) fn leave(mut self, leave: bool) -> io::Result<()> {
        let last = self.last.take().filter(|_| leave);
        drop(self);
        let Some(buffer) = last else { return Ok(()) };
        let mut out = stdout().lock();
        for y in 0..buffer.area.height {
            let line: String = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect();
            writeln!(out, "{}", line.trim_end())?;
        }
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        _ = give_back();
    }
}

/// Gives it back without a word to a terminal that takes none: keys are in lines again.
pub(super) fn abandon() -> io::Result<()> {
    IS_OURS.store(false, Ordering::Relaxed);
    disable_raw_mode()
}

/// Once: a second time would move the cursor back to where it was before.
fn give_back() -> io::Result<()> {
    if !IS_OURS.swap(false, Ordering::Relaxed) {
        return Ok(());
    }
    let raw = disable_raw_mode();
    execute!(stdout(), DisableMouseCapture, LeaveAlternateScreen, Show)?;
    raw
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::keys::Bindings;
    use super::super::list::Wishes;
    use super::super::theme::Theme;
    use super::*;

    /// What `tests/top.rs` runs on a terminal: it must be given back before the panic's message.
    #[test]
    #[ignore = "takes the terminal and panics: tests/top.rs runs it in one of its own"]
    fn a_panic_while_the_screen_is_shown() {
        let look = (Bindings::default(), Theme::new(true));
        let mut app = App::new(look, Duration::from_secs(1), Wishes::default());
        let mut screen = Screen::enter().expect("a terminal");
        screen.draw(&mut app).expect("a terminal");
        panic!("a panic on purpose");
    }
}
