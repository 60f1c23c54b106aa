//! Lists as OpenTelemetry's variables have them: `key=value,key=value`, with percent signs for
//! what else would end a value (W3C Baggage). Not here: what they mean.

/// The pairs; none where it is no such list.
pub(super) fn parse(text: &str) -> Option<Vec<(String, String)>> {
    text.split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let (key, value) = (decoded(key.trim())?, decoded(value.trim())?);
            (!key.is_empty()).then_some((key, value))
        })
        .collect()
}

/// With `%20` and the like as what they stand for.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?].map(|digit| char::from(digit).to_digit(16));
            let [Some(high), Some(low)] = digits else { return None };
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_pairs_is_read_with_what_percent_signs_stand_for() {
        let pairs = |text: &str| {
            let owned = parse(text)?;
            Some(owned.into_iter().map(|(key, value)| format!("{key}|{value}")).collect::<Vec<_>>())
        };
        assert_eq!(pairs("").unwrap(), Vec::<String>::new());
        assert_eq!(pairs(" a = 1 ,b=,, c=x=y ").unwrap(), ["a|1", "b|", "c|x=y"]);
        assert_eq!(pairs("k=Basic%20YQ%3d%3D,m=%c3%a9").unwrap(), ["k|Basic YQ==", "m|é"]);
        for wrong in ["a", "=1", "a=%", "a=%4", "a=%zz", "a=%ff", "a=1,b"] {
            assert_eq!(pairs(wrong), None, "{wrong}");
        }
    }
}
