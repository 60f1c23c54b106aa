//! Order: by what a column holds, what is not known last.
//! Not here: which columns there are.

use std::cmp::Reverse;

use super::Value;

/// Where something belongs.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Up(Value),
    Down(Reverse<Value>),
    Unknown,
}

/// Sorts by what `value` tells of each, the largest first if `descending`. What
/// has no value comes last either way, and those alike stay as they were.
pub fn sort<T>(items: &mut [T], descending: bool, value: impl Fn(&T) -> Value) {
    items.sort_by_cached_key(|item| match value(item) {
        Value::Nothing => Rank::Unknown,
        value if descending => Rank::Down(Reverse(value)),
        value => Rank::Up(value),
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn unknown_is_last_whichever_way_and_ties_stay() {
        let items = [(Some(2_u32), 'a'), (None, 'b'), (Some(1), 'c'), (Some(2), 'd'), (None, 'e')];
        let sorted = |descending| {
            let mut items = items;
            sort(&mut items, descending, |item| Value::count(item.0));
            items.map(|item| item.1).iter().collect::<String>()
        };
        assert_eq!(sorted(false), "cadbe");
        assert_eq!(sorted(true), "adcbe");
    }

    #[test]
    fn addresses_are_in_the_order_of_their_numbers() {
        let mut addrs = ["::1", "10.0.0.10", "9.0.0.1", "10.0.0.9"];
        sort(&mut addrs, false, |addr| Value::Addr(addr.parse().unwrap()));
        assert_eq!(addrs, ["9.0.0.1", "10.0.0.9", "10.0.0.10", "::1"]);
    }

    proptest! {
        #[test]
        fn sorted_twice_is_sorted_once(
            numbers in proptest::collection::vec(proptest::option::of(0..9_u32), 0..40),
            descending: bool,
        ) {
            let mut once: Vec<_> = numbers.iter().zip(0..).collect();
            sort(&mut once, descending, |item| Value::count(*item.0));
            let mut twice = once.clone();
            sort(&mut twice, descending, |item| Value::count(*item.0));
            prop_assert_eq!(&once, &twice);
            let known: Vec<_> = once.iter().filter_map(|item| *item.0).collect();
            let in_order = known.is_sorted_by(|a, b| if descending { a >= b } else { a <= b });
            prop_assert!(in_order);
        }
    }
}
