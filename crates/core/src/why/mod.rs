//! Why is it slow: the evidence that a watch has gathered of each connection,
//! or of several together, and the verdict on it. Not here: the rules, which
//! are a table in `rules`, nor how any of it is printed.

mod because;
mod causes;
mod evidence;
mod fields;
mod finding;
mod gathered;
mod judge;
mod looks;
mod order;
mod outages;
mod own_fields;
mod reductions;
mod rules;
mod verdict;
mod weigh;

pub use causes::Causes;
pub use evidence::{Evidence, Watch};
pub use fields::VerdictField;
pub use finding::{About, Finding, Verdicts};
pub use judge::{Judgement, judge};
pub use looks::Looks;
pub use order::VerdictOrder;
pub use outages::Outages;
pub use reductions::{Reduced, Reductions, Trigger};
pub use rules::{RULES, Rule};
pub use verdict::{Confidence, End, Verdict};
