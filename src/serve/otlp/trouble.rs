//! What is said on stderr: when pushes begin to fail, and when that is over. Not here: what came of
//! each.

/// Whether something is wrong, and how many were lost since.
#[derive(Debug)]
pub(super) struct Trouble {
    receiver: String,
    is_said: bool,
    lost: u64,
}

impl Trouble {
    /// With this receiver, so far none.
    pub(super) fn new(receiver: String) -> Self {
        Self { receiver, is_said: false, lost: 0 }
    }

    /// A push was not taken, and waits; what is to be said of it, if anything.
    pub(super) fn waits(&mut self, why: &str) -> Option<String> {
        let most = super::queue::MOST;
        self.begins(why, &format!("the last {most} pushes are kept for it"))
    }

    /// A push was refused; what is to be said of it, if anything.
    pub(super) fn refused(&mut self, why: &str) -> Option<String> {
        self.lost += 1;
        self.begins(why, "what it refuses is not sent again")
    }

    /// There was no room for these.
    pub(super) fn dropped(&mut self, count: u64) {
        self.lost += count;
    }

    /// A push was taken; what is to be said of it, if anything.
    pub(super) fn sent(&mut self) -> Option<String> {
        if !self.is_said {
            return None;
        }
        self.is_said = false;
        let lost = std::mem::take(&mut self.lost);
        Some(format!("OTLP: {} takes pushes again; {}", self.receiver, lost_in_words(lost)))
    }

    /// This is the end, and so many still wait; what is to be said of it, if anything.
    pub(super) fn ended(&mut self, waiting: u64) -> Option<String> {
        self.lost += waiting;
        let lost = std::mem::take(&mut self.lost);
        (lost > 0).then(|| format!("OTLP: {}: {}", self.receiver, lost_in_words(lost)))
    }

    fn begins(&mut self, why: &str, follows: &str) -> Option<String> {
        let is_new = !std::mem::replace(&mut self.is_said, true);
        is_new.then(|| format!("OTLP: {} does not take pushes: {why}; {follows}", self.receiver))
    }
}

fn lost_in_words(lost: u64) -> String {
    match lost {
        0 => "none were lost".to_owned(),
        1 => "1 was lost".to_owned(),
        lost => format!("{lost} were lost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_said_once_when_it_begins_and_once_when_it_is_over() {
        let mut trouble = Trouble::new("http://x".to_owned());
        assert_eq!(trouble.sent(), None);
        let said = trouble.waits("Connection refused").unwrap();
        assert_eq!(
            said,
            "OTLP: http://x does not take pushes: Connection refused; the last 60 pushes are kept \
             for it"
        );
        assert_eq!((trouble.waits("x"), trouble.refused("y")), (None, None));
        trouble.dropped(2);
        let over = trouble.sent().unwrap();
        assert_eq!(over, "OTLP: http://x takes pushes again; 3 were lost");
        assert_eq!((trouble.sent(), trouble.ended(0)), (None, None));
        assert_eq!(trouble.ended(1).unwrap(), "OTLP: http://x: 1 was lost");
    }
}
