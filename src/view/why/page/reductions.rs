//! What reductions of the congestion window cost, and how long losses took, in words. Not
//! here: the figures, which are the evidence.

use super::super::wrap;
use super::sections::Section;
use crate::view::length;
use tcpcong_core::why::{Evidence, Reduced, Trigger};

/// Where there was any.
pub(super) fn reductions(evidence: &Evidence, width: usize) -> Option<Section> {
    let reductions = Trigger::ALL.into_iter().map(|trigger| (trigger, evidence.reduced(trigger)));
    let mut lines = Vec::new();
    for (trigger, reduced) in reductions.filter(|(_, reduced)| reduced.count > 0) {
        lines.extend(wrap::facts(of_trigger(trigger, reduced).into_iter(), width));
    }
    if evidence.repair_ns > 0 {
        let losses = format!(
            "losses: {} until they counted as such, {} until they were repaired",
            length(evidence.detection_ns),
            length(evidence.repair_ns)
        );
        lines.extend(wrap::words(&losses, width));
    }
    (!lines.is_empty()).then_some(Section { is_apart: true, title: "reduced", lines })
}

fn of_trigger(trigger: Trigger, reduced: &Reduced) -> Vec<String> {
    let Reduced { count, below_ns, deficit_ns, before, after, .. } = *reduced;
    let (one, many) = match trigger {
        Trigger::Loss => ("loss", "losses"),
        Trigger::FullQueue => ("loss with a full queue", "losses with a full queue"),
        Trigger::Mark => ("ECN mark", "ECN marks"),
        Trigger::LocalDrop => ("drop in a local queue", "drops in a local queue"),
    };
    let mut facts = vec![format!("{count} {}", if count == 1 { one } else { many })];
    if after > 0 {
        facts.push(format!("window from {before} to {after} segments at the worst"));
    }
    if below_ns > 0 {
        let cost = length(deficit_ns);
        facts.push(format!(
            "smaller for {}, which cost as much as {cost} of pause",
            length(below_ns)
        ));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trigger_has_a_line_and_what_did_not_happen_has_none() {
        assert!(reductions(&Evidence::default(), 80).is_none());
        let mut evidence = Evidence::default();
        let (below_ns, deficit_ns) = (1_500_000_000, 700_000_000);
        evidence.reductions[Trigger::Mark as usize] =
            Reduced { count: 2, below_ns, deficit_ns, before: 40, after: 20, looks: 0 };
        (evidence.detection_ns, evidence.repair_ns) = (12_000_000, 80_000_000);
        let section = reductions(&evidence, 120).expect("a section");
        let expected = [
            "2 ECN marks; window from 40 to 20 segments at the worst; smaller for 1.5s, which cost \
             as much as 700ms of pause",
            "losses: 12ms until they counted as such, 80ms until they were repaired",
        ];
        assert_eq!(section.lines, expected);
    }
}
