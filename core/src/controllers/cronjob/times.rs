//! Which of a CronJob's times is due, and when to look again. Models `pkg/controller/cronjob/utils.go`.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::CronJob;

use super::schedule::next;
use crate::registry::validation::batch::schedule::Schedule;

/// The next look comes a little after the time, so that the time has surely passed.
const NEXT_SCHEDULE_DELTA: SignedDuration = SignedDuration::from_millis(100);
/// More missed times than this are told of.
const MANY: i64 = 100;

/// A parsed schedule with its zone.
pub struct Timetable {
    pub schedule: Schedule,
    pub zone: TimeZone,
}

/// The last time that was due, seen from now.
struct MostRecent {
    /// From when times count.
    earliest: Timestamp,
    time: Option<Timestamp>,
    /// How many times were missed, roughly.
    missed: i64,
}

impl Timetable {
    fn next(&self, after: Timestamp) -> Timestamp {
        next(&self.schedule, after, &self.zone).unwrap_or(Timestamp::MAX)
    }

    fn most_recent(&self, cj: &CronJob, now: Timestamp, deadline: bool) -> Result<MostRecent, String> {
        let last = cj.status.as_ref().and_then(|s| s.last_schedule_time.as_ref());
        let mut earliest = last.or(cj.metadata.creation_timestamp.as_ref()).map_or(now, |t| t.0);
        let spec = &cj.spec;
        if let Some(seconds) = spec.starting_deadline_seconds.filter(|_| deadline) {
            let since = now.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN);
            earliest = earliest.max(since);
        }
        let first = self.next(earliest);
        let second = self.next(first);
        if now < first {
            return Ok(MostRecent { earliest, time: None, missed: 0 });
        }
        if now < second {
            return Ok(MostRecent { earliest, time: Some(first), missed: 0 });
        }
        let between = second.duration_since(first).as_secs();
        if between < 1 {
            return Err("time difference between two schedules is less than 1 second".into());
        }
        let missed = now.duration_since(first).as_secs() / between + 1;
        let back = SignedDuration::from_secs((missed - 2).saturating_mul(between));
        let mut time = None;
        let mut t = self.next(first.checked_add(back).unwrap_or(first));
        while t <= now {
            time = Some(t);
            t = self.next(t);
        }
        Ok(MostRecent { earliest, time, missed })
    }

    /// The time that is due, if any is, and whether very many were missed. Models nextScheduleTime.
    pub fn due(&self, cj: &CronJob, now: Timestamp) -> Result<(Option<Timestamp>, bool), String> {
        let found = self.most_recent(cj, now, true)?;
        let due = found.time.filter(|t| *t <= now);
        Ok((due, due.is_some() && found.missed > MANY))
    }

    /// How long it is until the next time. Models nextScheduleTimeDuration.
    pub fn until_next(&self, cj: &CronJob, now: Timestamp) -> Duration {
        let from = match self.most_recent(cj, now, false) {
            Ok(MostRecent { time: Some(t), .. }) => t,
            Ok(MostRecent { earliest, missed: 0, .. }) => earliest,
            _ => now,
        };
        let wait = self.next(from).duration_since(now).saturating_add(NEXT_SCHEDULE_DELTA);
        Duration::try_from(wait).unwrap_or(Duration::ZERO)
    }
}
