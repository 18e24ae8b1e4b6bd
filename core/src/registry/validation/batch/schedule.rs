//! Cron schedules: five fields or a descriptor.
//! Models robfig/cron v3's `ParseStandard`, and Go's duration parser for `@every`.

use super::time_zones;
use crate::api::duration;
use crate::api::field::quote;

/// A parsed schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// The instants whose fields are all in these sets of bits.
    Spec {
        minute: u64,
        hour: u64,
        day_of_month: u64,
        month: u64,
        day_of_week: u64,
        /// The zone that the schedule names, if it does.
        zone: Option<String>,
    },
    /// Every so many seconds.
    Every(u64),
}

/// Set where a field was `*` or `?`: the other kind of day then decides alone.
pub(crate) const STAR: u64 = 1 << 63;

struct Bounds {
    min: u64,
    max: u64,
    names: &'static [&'static str],
}

const MINUTES: Bounds = Bounds { min: 0, max: 59, names: &[] };
const HOURS: Bounds = Bounds { min: 0, max: 23, names: &[] };
const DAYS_OF_MONTH: Bounds = Bounds { min: 1, max: 31, names: &[] };
const MONTHS: Bounds = Bounds {
    min: 1,
    max: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const DAYS_OF_WEEK: Bounds = Bounds { min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

/// Parses a schedule; the error is upstream's text.
pub(crate) fn parse(spec: &str) -> Result<Schedule, String> {
    if spec.is_empty() {
        return Err("empty spec string".to_owned());
    }
    let (zone, spec) = split_zone(spec)?;
    if spec.starts_with('@') {
        return descriptor(spec, zone);
    }
    let fields: Vec<&str> = spec.split_whitespace().collect();
    let &[minute, hour, day_of_month, month, day_of_week] = &fields[..] else {
        return Err(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    };
    Ok(Schedule::Spec {
        minute: field(minute, &MINUTES)?,
        hour: field(hour, &HOURS)?,
        day_of_month: field(day_of_month, &DAYS_OF_MONTH)?,
        month: field(month, &MONTHS)?,
        day_of_week: field(day_of_week, &DAYS_OF_WEEK)?,
        zone,
    })
}

fn split_zone(spec: &str) -> Result<(Option<String>, &str), String> {
    let Some(rest) = spec.strip_prefix("TZ=").or_else(|| spec.strip_prefix("CRON_TZ=")) else {
        return Ok((None, spec));
    };
    let Some((zone, rest)) = rest.split_once(' ') else {
        // The parser slices up to a blank that isn't there, which upstream catches.
        return Err("invalid schedule format: runtime error: slice bounds out of range [:-1]".to_owned());
    };
    time_zones::find(zone).map_err(|e| format!("provided bad location {zone}: {e}"))?;
    Ok((Some(zone.to_owned()), rest.trim()))
}

fn field(text: &str, bounds: &Bounds) -> Result<u64, String> {
    let parts = text.split(',').filter(|p| !p.is_empty());
    parts.map(|p| range(p, bounds)).try_fold(0, |bits, part| Ok(bits | part?))
}

fn range(text: &str, bounds: &Bounds) -> Result<u64, String> {
    let mut of_slash = text.split('/');
    let (span, step) = (of_slash.next().unwrap_or_default(), of_slash.next());
    let ends: Vec<&str> = span.split('-').collect();
    let mut star = 0;
    let (start, mut end) = match ends[..] {
        ["*" | "?", ..] => {
            star = STAR;
            (bounds.min, bounds.max)
        }
        [one] => {
            let n = number_or_name(one, bounds.names)?;
            (n, n)
        }
        [low, high] => (number_or_name(low, bounds.names)?, number_or_name(high, bounds.names)?),
        [low, ..] => {
            number_or_name(low, bounds.names)?;
            return Err(format!("too many hyphens: {text}"));
        }
        [] => return Err(format!("too many hyphens: {text}")),
    };
    let step = match step {
        None => 1,
        Some(_) if of_slash.next().is_some() => return Err(format!("too many slashes: {text}")),
        Some(step) => {
            let step = number(step)?;
            // "5/10" runs from 5 to the end.
            if ends.len() == 1 {
                end = bounds.max;
            }
            if step > 1 {
                star = 0;
            }
            step
        }
    };
    if start < bounds.min {
        return Err(format!("beginning of range ({start}) below minimum ({}): {text}", bounds.min));
    }
    if end > bounds.max {
        return Err(format!("end of range ({end}) above maximum ({}): {text}", bounds.max));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {text}"));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {text}"));
    }
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    Ok((start..=end).step_by(step).fold(star, |bits, n| bits | 1 << n))
}

fn number_or_name(text: &str, names: &[&str]) -> Result<u64, String> {
    match names.iter().position(|n| n.eq_ignore_ascii_case(text)) {
        // Months are counted from one, days from Sunday as zero.
        Some(i) => Ok(i as u64 + u64::from(names.len() == 12)),
        None => number(text),
    }
}

fn number(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sound = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
    match text.parse::<i64>() {
        Ok(n) if sound && n < 0 => Err(format!("negative number ({n}) not allowed: {text}")),
        Ok(n) if sound => Ok(n as u64),
        _ => {
            let why = if sound { "value out of range" } else { "invalid syntax" };
            Err(format!("failed to parse int from {text}: strconv.Atoi: parsing {}: {why}", quote(text)))
        }
    }
}

fn all(bounds: &Bounds) -> u64 {
    (bounds.min..=bounds.max).fold(STAR, |bits, n| bits | 1 << n)
}

fn descriptor(text: &str, zone: Option<String>) -> Result<Schedule, String> {
    const FIRST: u64 = 1;
    let every_day = |hour: u64| (hour, all(&DAYS_OF_MONTH), all(&MONTHS), all(&DAYS_OF_WEEK));
    let (hour, day_of_month, month, day_of_week) = match text {
        "@yearly" | "@annually" => (FIRST, 1 << 1, 1 << 1, all(&DAYS_OF_WEEK)),
        "@monthly" => (FIRST, 1 << 1, all(&MONTHS), all(&DAYS_OF_WEEK)),
        "@weekly" => (FIRST, all(&DAYS_OF_MONTH), all(&MONTHS), FIRST),
        "@daily" | "@midnight" => every_day(FIRST),
        "@hourly" => every_day(all(&HOURS)),
        other => {
            let Some(duration) = other.strip_prefix("@every ") else {
                return Err(format!("unrecognized descriptor: {other}"));
            };
            let nanoseconds =
                duration::parse(duration).map_err(|e| format!("failed to parse duration {other}: {e}"))?;
            return Ok(Schedule::Every(u64::try_from(nanoseconds / 1_000_000_000).unwrap_or(0).max(1)));
        }
    };
    Ok(Schedule::Spec { minute: FIRST, hour, day_of_month, month, day_of_week, zone })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_refused_in_upstreams_words() {
        for (spec, want) in [
            ("every day", "expected exactly 5 fields, found 2: [every day]"),
            ("", "empty spec string"),
            ("60 * * * *", "end of range (60) above maximum (59): 60"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("* * * * 7", "end of range (7) above maximum (6): 7"),
            ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
            ("*/2/3 * * * *", "too many slashes: */2/3"),
            ("a * * * *", "failed to parse int from a: strconv.Atoi: parsing \"a\": invalid syntax"),
            (
                "99999999999999999999 * * * *",
                "failed to parse int from 99999999999999999999: strconv.Atoi: parsing \"99999999999999999999\": value out of range",
            ),
            ("*/-1 * * * *", "negative number (-1) not allowed: -1"),
            ("@never", "unrecognized descriptor: @never"),
            ("@every x", "failed to parse duration @every x: time: invalid duration \"x\""),
            ("@every 5", "failed to parse duration @every 5: time: missing unit in duration \"5\""),
            ("@every 5d", "failed to parse duration @every 5d: time: unknown unit \"d\" in duration \"5d\""),
            ("TZ=Mars/Base 0 0 * * *", "provided bad location Mars/Base: unknown time zone Mars/Base"),
            ("TZ=UTC", "invalid schedule format: runtime error: slice bounds out of range [:-1]"),
        ] {
            assert_eq!(parse(spec).unwrap_err(), want, "{spec}");
        }
    }

    #[test]
    fn schedules_are_understood() {
        let bits = |of: &[u64]| of.iter().fold(0, |b, n| b | 1 << n);
        let Ok(Schedule::Spec { minute, hour, day_of_month, month, day_of_week, zone }) =
            parse("CRON_TZ=Europe/Berlin 0,30-32,50/5 */8 ? JAN-feb Mon")
        else {
            panic!("a sound schedule");
        };
        assert_eq!(minute, bits(&[0, 30, 31, 32, 50, 55]));
        assert_eq!(hour, bits(&[0, 8, 16]));
        assert_eq!(day_of_month, all(&DAYS_OF_MONTH));
        assert_eq!((month, day_of_week), (bits(&[1, 2]), bits(&[1])));
        assert_eq!(zone.as_deref(), Some("Europe/Berlin"));
        assert_eq!(parse("@every 1h30m"), Ok(Schedule::Every(5400)));
        assert_eq!(parse("@every 10ms"), Ok(Schedule::Every(1)));
        assert_eq!(parse("@midnight"), parse("0 0 * * *"));
        assert_eq!(parse("@yearly"), parse("0 0 1 1 *"));
    }
}
