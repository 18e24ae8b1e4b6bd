//! Lengths of time as Go reads them. Models time.ParseDuration.

/// Go's duration syntax: `1m30s`, `500ms`; a bare number is no duration.
pub(super) fn parse_duration(s: &str) -> Option<std::time::Duration> {
    let negative = s.starts_with('-');
    let mut rest = s.strip_prefix(['+', '-']).unwrap_or(s);
    if rest == "0" {
        return Some(std::time::Duration::ZERO);
    }
    let mut total = 0.0f64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let n: f64 = rest[..end].parse().ok()?;
        let (unit, len) = match &rest[end..] {
            r if r.starts_with("ns") => (1e-9, 2),
            r if r.starts_with("us") => (1e-6, 2),
            r if r.starts_with("µs") => (1e-6, 3),
            r if r.starts_with("ms") => (1e-3, 2),
            r if r.starts_with('s') => (1.0, 1),
            r if r.starts_with('m') => (60.0, 1),
            r if r.starts_with('h') => (3600.0, 1),
            _ => return None,
        };
        total += n * unit;
        rest = &rest[end + len..];
    }
    // More than a century is for ever; what is negative is over at once.
    Some(if negative { std::time::Duration::ZERO } else { std::time::Duration::from_secs_f64(total.min(4e9)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("1m30s"), Some(std::time::Duration::from_secs(90)));
        assert_eq!(parse_duration("-1s"), Some(std::time::Duration::ZERO));
        assert_eq!(parse_duration("5"), None);
        assert_eq!(parse_duration("s"), None);
    }
}
