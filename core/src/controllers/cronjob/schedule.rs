//! When a schedule is due next. Models robfig/cron's `SpecSchedule.Next` and `ConstantDelaySchedule.Next`.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

pub use crate::api::zone::named as zone;
use crate::registry::validation::batch::schedule::{STAR, Schedule};

/// A schedule that isn't due within so many days never is.
const HORIZON: usize = 5 * 366;

fn has(bits: u64, n: i8) -> bool {
    u32::try_from(n).is_ok_and(|n| n < 63 && bits & (1 << n) != 0)
}

/// Both kinds of day must fit where one of them was a star, else either.
fn day_fits(day_of_month: u64, day_of_week: u64, date: Date) -> bool {
    let month = has(day_of_month, date.day());
    let week = has(day_of_week, date.weekday().to_sunday_zero_offset());
    if (day_of_month | day_of_week) & STAR != 0 { month && week } else { month || week }
}

/// The first time after `after` at which the schedule is due; `None` for one that never is.
pub fn next(schedule: &Schedule, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let whole = Timestamp::from_second(after.as_second()).ok()?;
    let Schedule::Spec { minute, hour, day_of_month, month, day_of_week, .. } = schedule else {
        let Schedule::Every(seconds) = schedule else { return None };
        return whole.checked_add(SignedDuration::from_secs(i64::try_from(*seconds).ok()?)).ok();
    };
    let first = zone.to_datetime(after).date();
    let mut date = first;
    for _ in 0..HORIZON {
        if has(*month, date.month()) && day_fits(*day_of_month, *day_of_week, date) {
            let hours = (0..24i8).filter(|h| has(*hour, *h));
            let times = hours.flat_map(|h| (0..60i8).filter(|m| has(*minute, *m)).map(move |m| (h, m)));
            let due = times.filter_map(|(h, m)| instant(date, h, m, zone)).find(|t| *t > after);
            if due.is_some() {
                return due;
            }
        }
        date = date.tomorrow().ok()?;
    }
    None
}

/// A moment of a day in a zone; one that the clocks skip isn't there, of one that they repeat it is the first.
fn instant(date: Date, hour: i8, minute: i8, zone: &TimeZone) -> Option<Timestamp> {
    let at = DateTime::from_parts(date, Time::new(hour, minute, 0, 0).ok()?);
    match zone.to_ambiguous_timestamp(at).offset() {
        AmbiguousOffset::Gap { .. } => None,
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
            offset.to_timestamp(at).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::validation::batch::schedule::parse;

    fn due(spec: &str, zone_name: &str, after: &str) -> String {
        let schedule = parse(spec).expect("a schedule");
        let after = after.parse().expect("a time");
        next(&schedule, after, &zone(zone_name).expect("a zone")).map_or("never".into(), |t| t.to_string())
    }

    #[test]
    fn schedules_are_due() {
        for (spec, zone, after, want) in [
            ("* * * * *", "", "2026-11-22T08:00:00Z", "2026-11-22T08:01:00Z"),
            ("* * * * *", "", "2026-11-22T08:00:59.5Z", "2026-11-22T08:01:00Z"),
            ("*/15 * * * *", "", "2026-11-22T08:46:00Z", "2026-11-22T09:00:00Z"),
            ("5 4 * * *", "", "2026-11-22T08:00:00Z", "2026-11-23T04:05:00Z"),
            ("0 0 1 1 *", "", "2026-11-22T08:00:00Z", "2027-01-01T00:00:00Z"),
            // A Sunday, and then either the 13th or a Friday.
            ("0 0 * * 0", "", "2026-11-23T08:00:00Z", "2026-11-29T00:00:00Z"),
            ("0 0 13 * 5", "", "2026-12-11T08:00:00Z", "2026-12-13T00:00:00Z"),
            ("0 0 29 2 *", "", "2026-11-22T08:00:00Z", "2028-02-29T00:00:00Z"),
            ("59 23 31 2 *", "", "2026-11-22T08:00:00Z", "never"),
            ("@hourly", "", "2026-11-22T08:00:00Z", "2026-11-22T09:00:00Z"),
            ("@weekly", "", "2026-11-23T08:00:00Z", "2026-11-29T00:00:00Z"),
            ("@every 90s", "", "2026-11-22T08:00:00.3Z", "2026-11-22T08:01:30Z"),
            ("0 12 * * *", "Europe/Berlin", "2026-11-22T08:00:00Z", "2026-11-22T11:00:00Z"),
            ("0 12 * * *", "Europe/Berlin", "2026-07-22T08:00:00Z", "2026-07-22T10:00:00Z"),
            // The hour that the clocks skip in spring.
            ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"),
            ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
        ] {
            assert_eq!(due(spec, zone, after), want, "{spec} after {after} in {zone}");
        }
        assert_eq!(zone("Mars/Base").err(), Some("unknown time zone Mars/Base".to_owned()));
    }
}
