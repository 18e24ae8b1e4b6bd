//! How kubectl shows values: ages, times, labels, selectors, JSON. Models `pkg/describe` and apimachinery `util/duration`.

pub(super) use crate::api::jsonpath::text;
use jiff::Timestamp;
use serde_json::Value;

/// The items of a list; none for anything else.
pub(super) fn items(v: &Value) -> &[Value] {
    v.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The text, or `<none>`.
pub(super) fn or_none(s: impl Into<String>) -> String {
    let s = s.into();
    if s.is_empty() { "<none>".into() } else { s }
}

/// A time of the API.
pub(super) fn time(v: &Value) -> Option<Timestamp> {
    v.as_str().and_then(|s| s.parse().ok())
}

/// A time as Go's RFC1123Z has it.
pub(super) fn rfc1123z(v: &Value) -> String {
    match time(v) {
        Some(t) => {
            let d = t.to_zoned(jiff::tz::TimeZone::UTC);
            let day =
                ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][d.weekday().to_monday_zero_offset() as usize % 7];
            const MONTHS: [&str; 12] =
                ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
            let month = MONTHS[(d.month() as usize + 11) % 12];
            format!(
                "{day}, {:02} {month} {:04} {:02}:{:02}:{:02} +0000",
                d.day(),
                d.year(),
                d.hour(),
                d.minute(),
                d.second()
            )
        }
        None => "Mon, 01 Jan 0001 00:00:00 +0000".into(),
    }
}

/// A length of time in few characters.
pub(super) fn human_duration(seconds: i64) -> String {
    let (m, h, d) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        ..-1 => "<invalid>".into(),
        -1..=-1 => "0s".into(),
        0..=119 => format!("{seconds}s"),
        _ if m < 10 => match seconds % 60 {
            0 => format!("{m}m"),
            s => format!("{m}m{s}s"),
        },
        _ if m < 180 => format!("{m}m"),
        _ if h < 8 => match m % 60 {
            0 => format!("{h}h"),
            m => format!("{h}h{m}m"),
        },
        _ if h < 48 => format!("{h}h"),
        _ if h < 192 => match h % 24 {
            0 => format!("{d}d"),
            h => format!("{d}d{h}h"),
        },
        _ if h < 24 * 365 * 2 => format!("{d}d"),
        _ if h < 24 * 365 * 8 => match d % 365 {
            0 => format!("{}y", d / 365),
            r => format!("{}y{r}d", d / 365),
        },
        _ => format!("{}y", d / 365),
    }
}

/// How long ago a time is.
pub(super) fn since(v: &Value, now: Timestamp) -> String {
    match time(v) {
        Some(t) => human_duration(now.as_second() - t.as_second()),
        None => "<unknown>".into(),
    }
}

/// A map as `a=b,c=d`; `<none>` for an empty one.
pub(super) fn labels(v: &Value) -> String {
    let parts: Vec<String> = v.as_object().into_iter().flatten().map(|(k, v)| format!("{k}={}", text(v))).collect();
    or_none(parts.join(","))
}

/// A label selector in words.
pub(super) fn selector(v: &Value) -> String {
    or_none(selector_query(v))
}

/// A label selector as a query has it: sorted by key.
pub(super) fn selector_query(v: &Value) -> String {
    let mut parts: Vec<(String, String)> = Vec::new();
    for (k, v) in v["matchLabels"].as_object().into_iter().flatten() {
        parts.push((k.clone(), format!("{k}={}", text(v))));
    }
    for e in items(&v["matchExpressions"]) {
        let key = text(&e["key"]);
        let mut values: Vec<String> = items(&e["values"]).iter().map(text).collect();
        values.sort();
        let values = values.join(",");
        let shown = match e["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.clone(),
            _ => format!("!{key}"),
        };
        parts.push((key, shown));
    }
    parts.sort_by(|a, b| a.0.cmp(&b.0));
    parts.into_iter().map(|p| p.1).collect::<Vec<_>>().join(",")
}

/// JSON in one line as Go encodes it.
pub(super) fn go_json(v: &Value) -> String {
    escape_html(v.to_string())
}

/// JSON with four blanks a level, as kubectl prints it.
pub(super) fn go_json_pretty(v: &Value) -> String {
    use serde::Serialize as _;
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    // Writing a value into memory can't fail.
    let _ = v.serialize(&mut serde_json::Serializer::with_formatter(&mut out, formatter));
    escape_html(String::from_utf8(out).unwrap_or_default())
}

fn escape_html(s: String) -> String {
    if !s.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return s;
    }
    let mut out = String::with_capacity(s.len() + 16);
    for c in s.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn durations_are_short() {
        for (s, want) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (600, "10m"),
            (10_800, "3h"),
            (11_100, "3h5m"),
            (36_000, "10h"),
            (172_800, "2d"),
            (180_000, "2d2h"),
            (864_000, "10d"),
            (-5, "<invalid>"),
        ] {
            assert_eq!(human_duration(s), want, "{s}");
        }
    }

    #[test]
    fn selectors_in_words() {
        let s = json!({"matchLabels": {"b": "1"}, "matchExpressions": [{"key": "a", "operator": "In", "values": ["y", "x"]}, {"key": "c", "operator": "DoesNotExist"}]});
        assert_eq!(selector(&s), "a in (x,y),b=1,!c");
        assert_eq!(selector(&json!({})), "<none>");
    }

    #[test]
    fn times_and_durations() {
        assert_eq!(rfc1123z(&json!("2026-11-22T08:01:02Z")), "Sun, 22 Nov 2026 08:01:02 +0000");
        assert_eq!(go_json(&json!({"a": "<b>"})), "{\"a\":\"\\u003cb\\u003e\"}");
    }
}
