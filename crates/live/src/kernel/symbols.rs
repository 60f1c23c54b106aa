//! Where functions of the running kernel lie, from `/proc/kallsyms`.
//! What an address tells is the programs' business (`bpf/cwr.h`).

use std::fs;
use std::ops::Range;

/// The addresses of functions, each under its name or with a suffix of the
/// compiler's, as `.constprop.0`; not of what is hardly ever run of it, which the
/// compiler puts elsewhere as `.cold`. Empty where one is not there, or may not be
/// seen: without `CAP_SYSLOG` all addresses may show as 0 (`kptr_restrict`,
/// `proc_sys_kernel(5)`).
pub(super) fn ranges<const N: usize>(functions: [&str; N]) -> [Range<u64>; N] {
    find(&fs::read_to_string("/proc/kallsyms").unwrap_or_default(), functions)
}

fn find<const N: usize>(text: &str, functions: [&str; N]) -> [Range<u64>; N] {
    let symbols = || {
        text.lines().filter_map(|line| {
            let (address, rest) = line.split_once(' ')?;
            let (kind, name) = rest.split_once(' ')?;
            // Code of the kernel itself: a module's name would follow.
            let ours = matches!(kind, "t" | "T") && !name.contains('\t');
            let address = u64::from_str_radix(address, 16).ok().filter(|_| ours)?;
            Some((address, name))
        })
    };
    let mut found = [const { 0..0 }; N];
    for (address, name) in symbols() {
        let (base, suffix) = name.split_once('.').unwrap_or((name, ""));
        if suffix.split('.').any(|part| part == "cold") {
            continue;
        }
        for (range, _) in found.iter_mut().zip(functions).filter(|(_, name)| *name == base) {
            if range.start == 0 || suffix.is_empty() {
                *range = address..u64::MAX;
            }
        }
    }
    // Up to whatever comes next.
    for (address, _) in symbols() {
        for range in
            found.iter_mut().filter(|range| (range.start + 1..range.end).contains(&address))
        {
            range.end = address;
        }
    }
    found.map(|range| if range.start == 0 { 0..0 } else { range })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_found_under_its_own_name_first_and_not_where_it_is_cold() {
        let text = "ffffffff81000100 t f\nffffffff81000200 t f.part.0\nffffffff81000300 t g.isra.0\n\
                    ffffffff82000000 t f.cold\nffffffff82000080 t g.isra.0.cold\n\
                    ffffffff82000100 t g.cold.57\n";
        let [f, g] = find(text, ["f", "g"]);
        assert_eq!(f, 0xffff_ffff_8100_0100..0xffff_ffff_8100_0200);
        assert_eq!(g, 0xffff_ffff_8100_0300..0xffff_ffff_8200_0000);
    }

    #[test]
    fn a_function_reaches_to_the_next_address() {
        let text = "ffffffff81000100 T tcp_ack_tstamp\nffffffff81000040 t tcp_ack.constprop.0\n\
                    ffffffff81000000 T tcp_enter_cwr\nffffffff81000040 t an_alias\n\
                    ffffffffc0000000 t tcp_enter_loss\t[module]\nffffffff81000080 D data\n";
        let [ack, cwr, loss] = find(text, ["tcp_ack", "tcp_enter_cwr", "tcp_enter_loss"]);
        assert_eq!(ack, 0xffff_ffff_8100_0040..0xffff_ffff_8100_0100);
        assert_eq!(cwr, 0xffff_ffff_8100_0000..0xffff_ffff_8100_0040);
        assert_eq!(loss, 0..0);
        let [hidden] = find("0000000000000000 T tcp_ack\n", ["tcp_ack"]);
        assert_eq!(hidden, 0..0);
    }
}
