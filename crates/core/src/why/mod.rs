//! Why is it slow: the evidence that a watch has gathered of each connection,
//! or of several together, and the verdict on it. Not here: the rules, which
//! are a table in `rules`, nor how any of it is printed.

mod evidence;
mod finding;
mod rules;

pub use evidence::{Causes, Evidence, Watch};
pub use finding::{About, Finding, Verdicts};
pub use rules::{Confidence, RULES, Rule, Verdict, judge};
