//! Two recordings side by side: what each shows, how far the second is from the first, and
//! whether that is more than chance. Not here: reading recordings, and how it is printed.

mod comparison;
mod connections;
mod measure;
mod recorded;
mod statistics;

pub use comparison::{Compared, Comparison, Difference, Unlike, Verdict, compare};
pub use connections::{Observed, Population, TimedMean};
pub use measure::{Lengths, Measure, Unit};
pub use recorded::{Recorded, Recorder};
pub use statistics::{
    ALPHA, Effect, FEWEST_CONNECTIONS, PERMUTATIONS, Part, cliffs_delta, holm, midranks,
    permutation_test,
};
